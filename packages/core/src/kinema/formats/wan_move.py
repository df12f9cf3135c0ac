"""Wan-Move: tracks ``(F, N, 2)`` and visibility ``(F, N)`` in two ``.npy`` files.

Coordinates are pixels of the picture the model is given (832x480 in its examples); both arrays may
carry a leading batch axis of one. The files belong together by name: ``x_tracks.npy`` and
``x_visibility.npy``, or ``track.npy`` and ``visibility.npy``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import load_array
from kinema.formats.writing import frame_count, sampled_points, together, write_array
from kinema.motion.motion import FORMAT, Motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

FPS = 16.0
_WORD = re.compile("tracks?", re.IGNORECASE)


def partner(path: Path) -> Path | None:
    """The visibility file that belongs to a tracks file, None if the name does not say."""
    stem, found = _WORD.subn("visibility", path.stem)
    return path.with_name(stem + path.suffix) if found else None


def _tracks_in(names: frozenset[str]) -> list[str]:
    return sorted(name for name in names if name.endswith(".npy") and _WORD.search(name))


def _detect(peek: Peek) -> bool:
    if peek.names:
        return len(_tracks_in(peek.names)) == 1
    return len(peek.shape) in (3, 4) and peek.shape[-1] == 2 and partner(peek.path) is not None


def _unbatched(array: NDArray[Any], axes: int, path: Path) -> NDArray[Any]:
    if array.ndim == axes + 1 and len(array) == 1:
        array = array[0]
    if array.ndim != axes or (axes == 3 and array.shape[-1] != 2):
        wanted = "(F, N, 2)" if axes == 3 else "(F, N)"
        raise MotionError(
            f"The file {str(path)!r} has the shape {array.shape}; {wanted} is expected, or the "
            "same with a leading axis of 1."
        )
    return array


def _read(path: Path, asked: Asked) -> Document:
    import numpy as np

    if path.is_dir():
        names = _tracks_in(frozenset(entry.name for entry in path.iterdir()))
        if len(names) != 1:
            raise MotionError(
                f"The folder {str(path)!r} must hold one tracks file (.npy); it holds "
                f"{', '.join(names) or 'none'}."
            )
        path = path / names[0]
    tracks = _unbatched(load_array(path, "tracks file"), 3, path)
    beside = partner(path)
    if beside is None or not beside.is_file():
        wanted = f"{beside.name!r} beside it" if beside else "a name with 'tracks' in it"
        raise MotionError(f"The tracks {str(path)!r} need their visibility file: {wanted}.")
    flags = _unbatched(load_array(beside, "visibility file"), 2, beside)
    if flags.shape != tracks.shape[:2]:
        raise MotionError(
            f"The tracks {str(path)!r} have {tracks.shape[0]} frames of {tracks.shape[1]} points, "
            f"their visibility has {flags.shape[0]} of {flags.shape[1]}."
        )
    if not np.isin(flags, (0, 1)).all():
        raise MotionError(f"The visibility {str(beside)!r} holds values other than 0 and 1.")
    canvas = need_canvas(asked, "wan-move", "its coordinates are pixels of a picture.")
    document: Document = {
        "format": FORMAT,
        "canvas": list(canvas),
        "tracks": {"points": tracks.astype(float).tolist()},
        **timing(asked, len(tracks), FPS),
    }
    if not flags.all():
        document["tracks"]["visible"] = flags.astype(bool).tolist()
    return document


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    import numpy as np

    if not path.suffix:
        path.mkdir(exist_ok=True)
        path = path / "tracks.npy"
    beside = partner(path)
    if path.suffix.lower() != ".npy" or beside is None:
        raise MotionError(
            f"wan-move files are named like 'x_tracks.npy' (and 'x_visibility.npy'), or are a "
            f"folder; got {path.name!r}."
        )
    points, visible = sampled_points(motion, frame_count(motion, frames), "wan-move")
    with together(path.parent) as new:
        write_array(new / path.name, points[None].astype(np.float32))
        write_array(new / beside.name, visible[None])


FORM = Form(
    name="wan-move",
    summary="Wan-Move tracks and visibility",
    files="x_tracks.npy with x_visibility.npy, or a folder with one such pair",
    loses=(
        "Canvas and fps. Drags become tracks at the frame count written. Coordinates are float32: "
        "exact to 6e-8 of their size (5e-5 px at 832). Its own model takes exactly 81 frames."
    ),
    holds=frozenset({"turns", "tracks", "hidden"}),
    detect=_detect,
    read=_read,
    write=_write,
)
