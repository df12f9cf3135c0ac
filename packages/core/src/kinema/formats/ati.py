"""ATI: a torch file of npz bytes whose ``array`` holds 121 samples per track.

The array is ``(N, 121, 1, 3)`` (or with the first two axes swapped): x, y and visible, all times
8, in pixels of the picture, sampled at 24 fps. Where a track is not visible its position means
nothing; ATI's own editor pads with zeros.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import MotionError
from kinema.files import MOST_BYTES, check_ordinary, write_atomically
from kinema.formats.form import Asked, Document, Form, need_canvas, timing
from kinema.formats.reading import MOST_VALUES, numeric
from kinema.formats.writing import sampled_points
from kinema.motion.motion import FORMAT, Motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 121
FPS = 24.0
SCALE = 8


def _array(path: Path) -> NDArray[Any]:
    import numpy as np
    import torch

    try:
        check_ordinary(path, MOST_BYTES)
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file raises nearly anything
        reason = str(error).partition("\n")[0]
        raise MotionError(f"The file {str(path)!r} is not a torch file: {reason[:200]}") from None
    if not isinstance(raw, bytes):
        raise MotionError(
            f"The torch file {str(path)!r} holds {type(raw).__name__}; an ATI file holds the bytes "
            "of an .npz archive."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            # By its place and not by its name, under which a zip may hold a second one.
            members = [each for each in archive.infolist() if each.filename == "array.npy"]
            if len(members) != 1:
                raise KeyError(f"'array' {len(members)} times")
            with archive.open(members[0]) as member:
                content = member.read(8 * MOST_VALUES + 1)
        if len(content) > 8 * MOST_VALUES:
            raise MotionError(f"The array of {str(path)!r} is too large to be tracks.")
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        return numeric(array, f"The array of {str(path)!r}")
    except MotionError:
        raise
    except Exception as error:  # as above
        raise MotionError(
            f"The file {str(path)!r} holds no .npz archive with the key 'array': {error}."
        ) from None


def _read(path: Path, asked: Asked) -> Document:
    import numpy as np

    array = _array(path)
    shape = array.shape
    if array.ndim != 4 or shape[2:] != (1, 3) or SAMPLES not in shape[:2]:
        raise MotionError(
            f"The array of {str(path)!r} has the shape {shape}; an ATI file holds "
            f"(N, {SAMPLES}, 1, 3), exactly {SAMPLES} samples per track."
        )
    if shape[1] == SAMPLES:
        array = array.transpose(1, 0, 2, 3)
    rows = array[:, :, 0].astype(np.float64) / SCALE
    flags = rows[..., 2]
    if not np.isin(flags, (0, 1)).all():
        raise MotionError(
            f"The third value of the points of {str(path)!r} must be 0 (hidden) or {SCALE} "
            "(visible)."
        )
    canvas = need_canvas(asked, "ati", "its coordinates are pixels of a picture.")
    tracks: Document = {"points": rows[..., :2].tolist()}
    if not flags.all():
        tracks["visible"] = flags.astype(bool).tolist()
    return {
        "format": FORMAT,
        "canvas": list(canvas),
        "tracks": tracks,
        **timing(asked, SAMPLES, FPS),
    }


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    import numpy as np
    import torch

    if frames not in (None, SAMPLES):
        raise MotionError(f"An ATI file holds exactly {SAMPLES} samples; {frames} were asked for.")
    points, visible = sampled_points(motion, SAMPLES, "ati")
    rows = np.concatenate([points, visible[..., None]], axis=-1).transpose(1, 0, 2)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array=(rows[:, :, None] * SCALE).astype(np.float32))
    write_atomically(path, lambda part: torch.save(buffer.getvalue(), part))


FORM = Form(
    name="ati",
    summary="ATI tracks, 121 samples at 24 fps",
    files="*.pth",
    loses=(
        "Canvas. Drags and tracks are sampled at 121 frames, tracks of another length linearly. "
        "Coordinates are float32: exact to 6e-8 of their size (5e-5 px at 832)."
    ),
    holds=frozenset({"turns", "tracks", "hidden"}),
    detect=lambda peek: peek.suffix == ".pth",
    read=_read,
    samples=SAMPLES,
    write=_write,
)
