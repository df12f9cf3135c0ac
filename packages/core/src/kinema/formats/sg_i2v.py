"""SG-I2V: ``traj.npy`` with a box and its centre per frame.

The array is ``(N, 2 + F, 2)``: the top-left and bottom-right corner of each box on the first frame,
then its centre in every frame, (x, y) in pixels of ``img.png`` beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, need_canvas, timing
from kinema.formats.reading import load_array, picture_size
from kinema.formats.regions import regions_of
from kinema.formats.writing import frame_count, write_array
from kinema.motion.canvas import Size
from kinema.motion.motion import FORMAT, Motion
from kinema.motion.region import Region

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "traj.npy"
FPS = 7.0


def _detect(peek: Peek) -> bool:
    if peek.names:
        return NAME in peek.names
    shape = peek.shape
    is_boxes = len(shape) == 3 and shape[1] >= 4 and shape[2] == 2
    return is_boxes and "traj" in peek.path.stem.lower()


def _corners(box: NDArray[np.float64]) -> list[list[float]]:
    (left, top), (right, bottom) = box.tolist()
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _read(path: Path, asked: Asked) -> Document:
    file = path / NAME if path.is_dir() else path
    array = load_array(file, "trajectory file").astype(float)
    if array.ndim != 3 or array.shape[2] != 2 or array.shape[1] < 4 or not len(array):
        raise MotionError(
            f"The file {str(file)!r} has the shape {array.shape}; (N, 2 + F, 2) is expected: two "
            "corners of each box, then its centre in at least two frames."
        )
    turned = [n for n, box in enumerate(array) if not (box[0] < box[1]).all()]
    if turned:
        raise MotionError(
            f"Box {turned[0]} of {str(file)!r} goes from {tuple(array[turned[0], 0].tolist())} to "
            f"{tuple(array[turned[0], 1].tolist())}; the top-left corner comes first."
        )
    canvas = picture_size(file.with_name("img.png"))
    if canvas is None:
        canvas = need_canvas(asked, "sg-i2v", "there is no img.png beside it.")
    return {
        "format": FORMAT,
        "canvas": list(canvas),
        "drags": [
            {"points": box[2:].tolist(), "region": f"box {number}"}
            for number, box in enumerate(array)
        ],
        "regions": [
            {"polygon": _corners(box[:2]), "name": f"box {number}"}
            for number, box in enumerate(array)
        ],
        **timing(asked, array.shape[1] - 2, FPS),
    }


def _box(region: Region, canvas: Size) -> list[list[float]]:
    import numpy as np

    if region.polygon and not region.grow:
        xs, ys = zip(*region.polygon, strict=True)
        return [[min(xs), min(ys)], [max(xs), max(ys)]]
    inside = np.argwhere(region.rasterize(canvas))
    if not len(inside):
        raise MotionError(f"The region {region.label()} is empty; it has no box.")
    (top, left), (bottom, right) = inside.min(axis=0).tolist(), inside.max(axis=0).tolist()
    return [[left, top], [right, bottom]]


def is_box(region: Region) -> bool:
    """Whether a region is a rectangle along the axes, which a box holds without loss."""
    corners = set(region.polygon)
    xs, ys = ({x for x, _ in corners}, {y for _, y in corners})
    return not region.grow and len(corners) == 4 and len(xs) == 2 and len(ys) == 2


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    import numpy as np

    if not motion.drags:
        raise MotionError("An sg-i2v file needs drags; this Motion has none.")
    regions = regions_of(motion, "sg-i2v")
    unused = [region.label() for region in motion.regions if region not in regions]
    if unused:
        raise MotionError(
            f"An sg-i2v file holds a drag per box; no drag moves {', '.join(unused)}."
        )
    count = frame_count(motion, frames)
    rows = []
    for drag, region in zip(motion.drags, regions, strict=True):
        plain = drag.times is None and drag.easing == "linear" and len(drag.points) == count
        track = drag.points if plain else drag.path(count).tolist()
        rows.append([*_box(region, motion.canvas), *track])
    if not path.suffix:
        path.mkdir(exist_ok=True)
        path = path / NAME
    write_array(path, np.array(rows, dtype=np.float64))


FORM = Form(
    name="sg-i2v",
    summary="SG-I2V boxes and their centres per frame",
    files="traj.npy with img.png beside it, or that folder",
    loses=(
        "The photo, canvas, fps, names, and the shape of every region but a box; drags become "
        "points per frame, exact at the frame count written. Boxes are lossless."
    ),
    holds=frozenset({"drags", "regions", "layers"}),
    detect=_detect,
    read=_read,
    write=_write,
)
