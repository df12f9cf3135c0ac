"""Carrying coordinates from one canvas to another.

Every change of canvas is one map: a box of the old pixel grid becomes the whole new grid. A box is
``(left, top, right, bottom)`` in pixel **edges**, so the whole canvas is ``(0, 0, width, height)``,
and a pixel centre x lies at edge coordinate x + 0.5.
"""

from __future__ import annotations

import attrs

from kinema.camera import CameraPath
from kinema.drag import Drag, Point
from kinema.region import MASK_THRESHOLD, Region, Size
from kinema.tracks import Tracks

Box = tuple[float, float, float, float]


def whole_box(size: Size) -> Box:
    """The box that is all of a pixel grid."""
    return 0.0, 0.0, float(size[0]), float(size[1])


def fit_box(source: Size, canvas: Size) -> Box:
    """The largest centred box of ``source`` that has the aspect of ``canvas``.

    Photos, masks and Motions are all fitted by this box, so they stay aligned to the subpixel.
    """
    scale = max(canvas[0] / source[0], canvas[1] / source[1])
    width, height = canvas[0] / scale, canvas[1] / scale
    left, top = (source[0] - width) / 2, (source[1] - height) / 2
    return left, top, left + width, top + height


def inner_box(outer: Box, canvas: Size, inner: Box) -> Box:
    """``inner``, a box on ``canvas``, in the coordinates in which ``outer`` is that canvas."""
    across, down = (outer[2] - outer[0]) / canvas[0], (outer[3] - outer[1]) / canvas[1]
    return (
        outer[0] + inner[0] * across,
        outer[1] + inner[1] * down,
        outer[0] + inner[2] * across,
        outer[1] + inner[3] * down,
    )


def map_point(point: Point, box: Box, canvas: Size) -> Point:
    """Where a pixel coordinate goes when ``box`` becomes ``canvas``."""
    left, top, right, bottom = box
    x = (point[0] + 0.5 - left) * canvas[0] / (right - left) - 0.5
    y = (point[1] + 0.5 - top) * canvas[1] / (bottom - top) - 0.5
    return x, y


def is_whole(box: Box, source: Size, canvas: Size) -> bool:
    """Whether mapping ``box`` of ``source`` onto ``canvas`` changes nothing."""
    return canvas == source and box == whole_box(source)


def remap_drag(drag: Drag, box: Box, canvas: Size) -> Drag:
    """The drag, when ``box`` becomes ``canvas``."""
    return attrs.evolve(drag, points=[map_point(p, box, canvas) for p in drag.points])


def remap_tracks(tracks: Tracks, box: Box, canvas: Size) -> Tracks:
    """The tracks, when ``box`` becomes ``canvas``."""
    points = [[map_point(p, box, canvas) for p in row] for row in tracks.points]
    return attrs.evolve(tracks, points=points)


def remap_region(region: Region, source: Size, box: Box, canvas: Size) -> Region:
    """The region of a ``source`` canvas, when ``box`` becomes ``canvas``.

    Raises:
        MotionError: its mask cannot be read.
    """
    if region.polygon:
        return attrs.evolve(region, polygon=[map_point(p, box, canvas) for p in region.polygon])
    across, down = canvas[0] / (box[2] - box[0]), canvas[1] / (box[3] - box[1])
    if region.brush and abs(across - down) <= 1e-9 * across:
        brush = [map_point(p, box, canvas) for p in region.brush]
        return attrs.evolve(region, brush=brush, radius=region.radius * across)
    import numpy as np
    from PIL import Image

    inside = Image.fromarray(region.rasterize(source).astype(np.uint8) * 255)
    if all(float(edge).is_integer() for edge in box) and (across, down) == (1.0, 1.0):
        moved = inside.crop(box)
    else:
        moved = inside.resize(canvas, Image.Resampling.BOX, box=_within(box, source))
    return Region.from_array(np.asarray(moved) >= MASK_THRESHOLD, name=region.name)


def _within(box: Box, source: Size) -> Box:
    """The box, kept from leaving the source by rounding."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], source[0]), min(box[3], source[1])


def remap_camera(camera: CameraPath, box: Box, canvas: Size) -> CameraPath:
    """The camera path, its intrinsics moved along, when ``box`` becomes ``canvas``."""
    across, down = canvas[0] / (box[2] - box[0]), canvas[1] / (box[3] - box[1])
    intrinsics = [
        (fx * across, fy * down, *map_point((cx, cy), box, canvas))
        for fx, fy, cx, cy in camera.intrinsics
    ]
    return attrs.evolve(camera, intrinsics=intrinsics)
