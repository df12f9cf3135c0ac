"""ReCamMaster: ``camera_extrinsics.json`` with several cameras over the same frames.

``{"frame0": {"cam01": "[a b c 0] [d e f 0] [g h i 0] [x y z 1]", ...}, ...}``: camera-to-world in
the axes of Unreal Engine (x forward, y right, z up, left-handed) and centimetres, for row vectors,
so the last row is the camera's place. Read as OpenCV axes and metres: X_world = (y, -z, x) / 100.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, listed, need_canvas, timing
from kinema.formats.poses import rigid_inverse
from kinema.formats.reading import read_json
from kinema.formats.writing import poses, write_json
from kinema.motion.motion import FORMAT, Motion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FPS = 15.0
CENTIMETRES = 100.0
_FRAME = re.compile(r"frame(\d{1,9})")
_MATRIX = re.compile(r"\s*" + r"\s*".join([r"\[([^\[\]]*)\]"] * 4) + r"\s*")
#: Unreal to OpenCV axes: x right is Unreal's y, y down its -z, z forward its x.
_AXES = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0))


def _frames(data: Any) -> dict[int, Mapping[str, Any]]:
    if not isinstance(data, Mapping):
        return {}
    named = ((_FRAME.fullmatch(str(key)), value) for key, value in data.items())
    return {int(key[1]): value for key, value in named if key and isinstance(value, Mapping)}


def _detect(peek: Peek) -> bool:
    cameras = _frames(peek.json).get(0, {})
    return any(_MATRIX.fullmatch(str(text)) for text in cameras.values())


def _matrix(text: Any, where: str) -> list[list[float]]:
    found = _MATRIX.fullmatch(text) if isinstance(text, str) else None
    try:
        rows = [[float(word) for word in row.split()] for row in found.groups()] if found else []
    except ValueError:
        rows = []
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        raise MotionError(
            f"{where} is {text!r:.60}; four rows in brackets, of four numbers each, are expected."
        )
    return rows


def _camera(cameras: list[str], asked: Asked, path: Path) -> str:
    if asked.part in cameras or (not asked.part and len(cameras) == 1):
        return asked.part or cameras[0]
    wrong = f"has no camera {asked.part!r}" if asked.part else f"holds {len(cameras)} cameras"
    raise MotionError(
        f"The file {str(path)!r} {wrong}; say which with format='recammaster:NAME'. "
        f"Its cameras: {listed(cameras, 20)}."
    )


def _to_opencv(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unreal camera-to-world for row vectors to OpenCV camera-to-world in metres."""
    import numpy as np

    axes = np.array(_AXES)
    matrices = rows.transpose(0, 2, 1).copy()
    with np.errstate(all="ignore"):  # what is not finite stays so, and is named later
        matrices[:, :3, :3] = axes @ matrices[:, :3, :3] @ axes.T
        matrices[:, :3, 3] = matrices[:, :3, 3] @ axes.T / CENTIMETRES
    return matrices


def _read(path: Path, asked: Asked) -> Document:
    import numpy as np

    frames = _frames(read_json(path))
    if sorted(frames) != list(range(len(frames))) or not frames:
        raise MotionError(
            f"The file {str(path)!r} must hold frame0, frame1, ... without a gap; it has "
            f"{listed(f'frame{n}' for n in sorted(frames)) or 'none'}."
        )
    name = _camera(sorted(str(key) for key in frames[0]), asked, path)
    lacking = [n for n in sorted(frames) if name not in frames[n]]
    if lacking:
        raise MotionError(f"The camera {name!r} of {str(path)!r} is missing in frame {lacking[0]}.")
    rows = [
        _matrix(frames[n][name], f"The pose of {name!r} in frame {n}") for n in range(len(frames))
    ]
    wrong = [n for n, row in enumerate(rows) if [r[3] for r in row] != [0.0, 0.0, 0.0, 1.0]]
    if wrong:
        raise MotionError(
            f"The rows of the pose of {name!r} in frame {wrong[0]} do not end in 0, 0, 0, 1; they "
            "must be those of a camera-to-world matrix for row vectors."
        )
    matrices = rigid_inverse(_to_opencv(np.array(rows)))
    canvas = need_canvas(asked, "recammaster", "it holds poses only.")
    return {
        "format": FORMAT,
        "canvas": list(canvas),
        "camera": {"world_to_camera": matrices[:, :3].tolist()},
        **timing(asked, len(rows), FPS),
    }


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    import numpy as np

    axes = np.array(_AXES)
    matrices = rigid_inverse(poses(motion, frames, "recammaster"))
    matrices[:, :3, :3] = axes.T @ matrices[:, :3, :3] @ axes
    matrices[:, :3, 3] = matrices[:, :3, 3] @ axes * CENTIMETRES
    data = {}
    for number, matrix in enumerate(matrices.transpose(0, 2, 1).tolist()):
        text = " ".join(f"[{' '.join(repr(value) for value in row)}]" for row in matrix)
        data[f"frame{number}"] = {"cam01": f"{text} "}
    write_json(path, data, indent=4)


FORM = Form(
    name="recammaster",
    summary="ReCamMaster cameras, Unreal axes in centimetres; recammaster:cam02 picks one",
    files="camera_extrinsics.json",
    loses=(
        "Everything but the poses of one camera (written as cam01); fps. Poses to float rounding "
        "(1e-12 of their size)."
    ),
    holds=frozenset({"poses"}),
    detect=_detect,
    read=_read,
    write=_write,
)
