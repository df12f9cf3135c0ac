"""Carrying a Motion from one canvas to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from kinema.drag import Point
from kinema.motion import Motion
from kinema.region import Region, Size

if TYPE_CHECKING:
    from kinema.camera import CameraPath

MapPoint = Callable[[Point], Point]
MapMask = Callable[[Any], Any]


def cover_size(source: Size, canvas: Size) -> Size:
    """The smallest size with ``source``'s aspect that covers ``canvas``, (width, height)."""
    scale = max(canvas[0] / source[0], canvas[1] / source[1])
    return max(canvas[0], round(source[0] * scale)), max(canvas[1], round(source[1] * scale))


def centre_offset(source: Size, canvas: Size) -> tuple[int, int]:
    """(left, top) of a centred ``canvas`` inside ``source``."""
    return (source[0] - canvas[0]) // 2, (source[1] - canvas[1]) // 2


def resize_motion(motion: Motion, canvas: Size) -> Motion:
    """See :meth:`kinema.Motion.resized`."""
    if canvas == motion.canvas:
        return motion
    sx, sy = canvas[0] / motion.canvas[0], canvas[1] / motion.canvas[1]

    def point(p: Point) -> Point:
        return (p[0] + 0.5) * sx - 0.5, (p[1] + 0.5) * sy - 0.5

    def mask(image: Any) -> Any:
        from PIL import Image

        return image.resize(canvas, Image.Resampling.BOX)

    return _moved(motion, canvas, point, mask, (sx, sy))


def crop_motion(motion: Motion, left: int, top: int, canvas: Size) -> Motion:
    """See :meth:`kinema.Motion.cropped`."""
    if (left, top) == (0, 0) and canvas == motion.canvas:
        return motion

    def point(p: Point) -> Point:
        return p[0] - left, p[1] - top

    def mask(image: Any) -> Any:
        return image.crop((left, top, left + canvas[0], top + canvas[1]))

    return _moved(motion, canvas, point, mask, (1.0, 1.0))


def fit_motion(motion: Motion, canvas: Size) -> Motion:
    """See :meth:`kinema.Motion.fitted`."""
    covering = cover_size(motion.canvas, canvas)
    return crop_motion(resize_motion(motion, covering), *centre_offset(covering, canvas), canvas)


def _moved(
    motion: Motion, canvas: Size, point: MapPoint, mask: MapMask, scale: tuple[float, float]
) -> Motion:
    drags = [attrs.evolve(drag, points=[point(p) for p in drag.points]) for drag in motion.drags]
    tracks = motion.tracks
    if tracks is not None:
        tracks = attrs.evolve(tracks, points=[[point(p) for p in row] for row in tracks.points])
    return attrs.evolve(
        motion,
        canvas=canvas,
        drags=drags,
        regions=[_moved_region(region, motion.canvas, point, mask, scale) for region in motion.regions],
        tracks=tracks,
        camera=_moved_camera(motion.camera, point, scale),
    )


def _moved_region(
    region: Region, canvas: Size, point: MapPoint, mask: MapMask, scale: tuple[float, float]
) -> Region:
    if region.polygon:
        return attrs.evolve(region, polygon=[point(p) for p in region.polygon])
    if region.brush and scale[0] == scale[1]:
        brush = [point(p) for p in region.brush]
        return attrs.evolve(region, brush=brush, radius=region.radius * scale[0])
    import numpy as np
    from PIL import Image

    inside = Image.fromarray(region.rasterize(canvas).astype(np.uint8) * 255)
    return Region.from_array(np.asarray(mask(inside)) >= 128, name=region.name)


def _moved_camera(
    camera: CameraPath | None, point: MapPoint, scale: tuple[float, float]
) -> CameraPath | None:
    if camera is None or not camera.intrinsics:
        return camera
    intrinsics = [
        (fx * scale[0], fy * scale[1], *point((cx, cy))) for fx, fy, cx, cy in camera.intrinsics
    ]
    return attrs.evolve(camera, intrinsics=intrinsics)
