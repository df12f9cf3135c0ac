"""Camera poses as 3x4 or 4x4 matrices, in ``.npy`` or JSON, in either direction.

Axes are those of OpenCV (x right, y down, z forward). A ``.npy`` array ``(T, 3 or 4, 4)`` does not
say whether it goes from world to camera or back, and that is never guessed: the form's name says
it. JSON says it by its key: ``{"world_to_camera": [...]}`` or ``{"camera_to_world": [...]}`` (short
``w2c``, ``c2w``), optionally with ``intrinsics`` in pixels (fx, fy, cx, cy or 3x3, one for all or
per frame) and ``canvas`` (or ``width`` and ``height``).

Rows of 12 numbers ``(T, 12)``, each a 3x4 matrix row by row, are MotionCtrl's (JSON) and
MotionPro's own (a torch file): these go from world to camera, and are taken so unless another form
is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import as_floats, load_array, load_tensor, read_json
from kinema.formats.writing import poses, write_array, write_json
from kinema.motion.canvas import as_size
from kinema.motion.motion import FORMAT, Motion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS = {
    "w2c": ("world_to_camera", "w2c"),
    "c2w": ("camera_to_world", "c2w"),
}


def _keys(data: Any) -> dict[str, str]:
    """Which directions a JSON document holds, and under which key."""
    if not isinstance(data, Mapping):
        return {}
    return {way: name for way, names in KEYS.items() for name in names if name in data}


def _is_matrices(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] in (3, 4) and shape[2] == 4


def _is_rows(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[1] == 12 and shape[0] > 0


def _bare_rows(data: Any) -> bool:
    """Whether JSON is a list of rows of 12 numbers under no key."""
    if not (isinstance(data, list) and data and isinstance(data[0], list)):
        return False
    return len(data[0]) == 12 and isinstance(data[0][0], int | float)


def _bare(data: Any) -> bool:
    """Whether JSON is a list of matrices under no key."""
    try:
        rows = len(data[0]) if isinstance(data, list) else 0
        return rows in (3, 4) and isinstance(data[0], list) and len(data[0][0]) == 4
    except (TypeError, KeyError, IndexError):
        return False


def _detector(way: str) -> Callable[[Peek], bool]:
    def detect(peek: Peek) -> bool:
        if way == "w2c" and (_is_rows(peek.shape) or _bare_rows(peek.json)):
            return True
        return _is_matrices(peek.shape) or way in _keys(peek.json) or _bare(peek.json)

    return detect


def check_matrices(matrices: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Take ``(T, 3, 4)``, ``(T, 4, 4)`` or ``(T, 12)`` matrices to ``(T, 4, 4)``.

    Raises:
        MotionError: another shape, or a last row that is not (0, 0, 0, 1).
    """
    import numpy as np

    if _is_rows(matrices.shape):
        matrices = matrices.reshape(-1, 3, 4)
    if not _is_matrices(matrices.shape):
        raise MotionError(
            f"The poses of {str(path)!r} have the shape {matrices.shape}; (T, 3, 4), (T, 4, 4) or "
            "(T, 12) is expected, one matrix per frame."
        )
    whole = np.tile(np.eye(4), (len(matrices), 1, 1))
    whole[:, : matrices.shape[1]] = matrices
    wrong = np.flatnonzero((whole[:, 3] != (0, 0, 0, 1)).any(axis=1))
    if len(wrong):
        raise MotionError(
            f"The 4x4 pose of frame {wrong[0]} in {str(path)!r} ends in "
            f"{tuple(whole[wrong[0], 3].tolist())}; the last row must be (0, 0, 0, 1). Is the "
            "matrix transposed?"
        )
    return whole


def rigid_inverse(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverses of rigid ``(T, 4, 4)`` matrices: transposed rotation, exact to rounding."""
    import numpy as np

    inverse = np.tile(np.eye(4), (len(matrices), 1, 1))
    turned = matrices[:, :3, :3].transpose(0, 2, 1)
    inverse[:, :3, :3] = turned
    with np.errstate(all="ignore"):  # what is not finite stays so, and is named later
        inverse[:, :3, 3] = -(turned @ matrices[:, :3, 3:])[..., 0]
    return inverse


def _intrinsics(given: Any, path: Path) -> list[list[float]]:
    import numpy as np

    what = f"The intrinsics of {str(path)!r}"
    array = as_floats(given, what)
    if array.shape == (4,) or array.shape == (3, 3):
        array = array[None]
    if array.ndim == 3 and array.shape[1:] == (3, 3):
        if array[:, 0, 1].any():
            raise MotionError(f"{what} have skew; pixels must be upright.")
        array = np.stack([array[:, i, j] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2))], axis=1)
    if array.ndim != 2 or array.shape[1] != 4:
        raise MotionError(
            f"{what} have the shape {array.shape}; (fx, fy, cx, cy) or 3x3 in pixels is expected, "
            "one for all or one per frame."
        )
    return array.tolist()  # type: ignore[no-any-return]


def _canvas_of(data: Mapping[str, Any]) -> Any:
    if "canvas" in data:
        return as_size(data["canvas"])
    if "width" in data and "height" in data:
        return as_size((data["width"], data["height"]))
    return None


def _from_json(path: Path, way: str) -> tuple[Any, Mapping[str, Any]]:
    data = read_json(path)
    if isinstance(data, list):
        return data, {}
    found = _keys(data)
    if way not in found:
        other = next(iter(found.values()), None)
        said = f"its key {other!r} says the other direction" if other else "it has no such key"
        raise MotionError(
            f"The file {str(path)!r} was to be read as poses-{way}, but {said}; expected the key "
            f"{KEYS[way][0]!r} or {KEYS[way][1]!r}."
        )
    if len(found) > 1:
        raise MotionError(
            f"The file {str(path)!r} holds poses in both directions ({', '.join(found.values())}); "
            "keep the one that is meant."
        )
    return data[found[way]], data


def _reader(way: str) -> Callable[[Path, Asked], Document]:
    def read(path: Path, asked: Asked) -> Document:
        data: Mapping[str, Any] = {}
        if path.suffix.lower() == ".npy":
            raw = load_array(path, "pose file").astype(float)
        elif path.suffix.lower() in (".pth", ".pt"):
            raw = load_tensor(path, "pose file")
        else:
            given, data = _from_json(path, way)
            raw = as_floats(given, f"The poses of {str(path)!r}")
        matrices = check_matrices(raw, path)
        if way == "c2w":
            matrices = rigid_inverse(matrices)
        canvas = _canvas_of(data) or need_canvas(
            asked, f"poses-{way}", "its poses are in the units of the scene."
        )
        camera: Document = {"world_to_camera": matrices[:, :3].tolist()}
        if data.get("intrinsics") is not None:
            camera["intrinsics"] = _intrinsics(data["intrinsics"], path)
        return {
            "format": FORMAT,
            "canvas": list(canvas),
            "camera": camera,
            **timing(asked, len(matrices)),
        }

    return read


def _writer(way: str) -> Callable[[Motion, Path, int | None], None]:
    def write(motion: Motion, path: Path, frames: int | None) -> None:
        matrices = poses(motion, frames, f"poses-{way}")
        assert motion.camera is not None
        if way == "c2w":
            matrices = rigid_inverse(matrices)
        if path.suffix.lower() == ".npy":
            if motion.camera.intrinsics:
                raise MotionError(
                    "A .npy file of poses cannot hold the camera's intrinsics; write .json, or "
                    "leave the intrinsics out of the Motion."
                )
            write_array(path, matrices)
        elif path.suffix.lower() == ".json":
            data: Document = {KEYS[way][0]: matrices.tolist(), "canvas": list(motion.canvas)}
            if motion.camera.intrinsics:
                data["intrinsics"] = [list(row) for row in motion.camera.intrinsics]
            write_json(path, data)
        else:
            raise MotionError(f"Poses are written to .npy or .json, got {path.name!r}.")

    return write


def _form(way: str, words: str) -> Form:
    return Form(
        name=f"poses-{way}",
        summary=f"camera poses as 4x4 matrices, {words}, OpenCV axes",
        files=(
            f"*.npy (T, 4, 4), or *.json with the key {KEYS[way][0]!r} or {KEYS[way][1]!r}"
            + ("; also (T, 12) as .npy, .json or .pth" if way == "w2c" else "")
        ),
        loses=(
            "Everything but the camera, and fps; .npy also the canvas and intrinsics. "
            + ("Lossless." if way == "w2c" else "Poses to float rounding (1e-12 of their size).")
        ),
        holds=frozenset({"poses", "intrinsics"}),
        detect=_detector(way),
        read=_reader(way),
        write=_writer(way),
    )


WORLD_TO_CAMERA = _form("w2c", "world to camera")
CAMERA_TO_WORLD = _form("c2w", "camera to world")


def _read_das(path: Path, asked: Asked) -> Document:
    return _reader("w2c")(path, asked)


DAS = Form(
    name="das",
    summary="camera poses of Diffusion as Shader, world-to-camera",
    files="*.npy (49, 4, 4)",
    loses=(
        "Everything but the poses. Lossless; the units are that program's own (it divides "
        "translations by 5 before it uses them with VGGT)."
    ),
    holds=frozenset({"poses"}),
    detect=lambda peek: len(peek.shape) == 3 and peek.shape[1:] == (4, 4),
    read=_read_das,
    write=_writer("w2c"),
)
