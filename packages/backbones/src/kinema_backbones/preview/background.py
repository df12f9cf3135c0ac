"""The photo without what moves over it: filled, continued beyond its sides, and warped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.depth_layers import DepthLayers
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.inversion import is_smooth, sights
from kinema_backbones.preview.plate import filled_plate
from kinema_backbones.preview.points import Tears
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import sharp
from kinema_backbones.preview.sides import continued, needed_sides, padded
from kinema_backbones.preview.survey import Survey

#: Pixels around a gap that it is closed from.
AROUND = 64


class Background:
    """Layer 0.

    Args:
        photo: ``(H, W, 3)``.
        moves: gives the maps ``(5, H, W)`` of a frame.
        survey: of all frames.
        own: ``(H, W)``, the pixels of the photo that show the background.
        hole: ``(H, W)``, pixels that show anything of the regions that move away from it.
        stirred: ``(H, W)``, pixels of ``own`` that move in any frame.
        plate: ``(H, W, 3)``, what holes show; None fills them from the photo.
    """

    def __init__(
        self,
        photo: Array,
        moves: Callable[[int], Array],
        survey: Survey,
        own: Mask,
        hole: Mask,
        stirred: Mask,
        plate: Array | None = None,
    ) -> None:
        self._plate: tuple[Box, Array] | None = None
        if hole.any() and plate is not None:
            self._plate = box_of(hole), box_of(hole).of(plate)
        elif hole.any():
            self._plate = filled_plate(photo, own, hole)
        self._area: Box | None = None
        self._layers: DepthLayers | None = None
        if not stirred.any():
            return
        self._area = _area(survey.farthest, stirred)
        known = self._area.of(own)
        self._extended = None if known.all() else Extension(known, smooth=True)
        self._sides = needed_sides(survey.sides, own)
        left, top = self._sides[:2]
        self._origin = float(self._area.left - left), float(self._area.top - top)
        plate = self._area.of(photo)
        if self._plate is not None:
            whole = photo.copy()
            box, part = self._plate
            box.of(whole)[:] = part
            plate = self._area.of(whole)
        self._colour = continued(plate, self._sides)
        frames = len(survey.stirs)
        for index in (frames - 1, frames // 2):
            moved = self._surface(moves(index))[0]
            depth = self._surface(moves(0))[1]
            if not is_smooth(moved) and Tears.of(moved, depth).near.any():
                self._layers = DepthLayers(self._colour, moved, depth, self._origin)
                break

    def draw(self, canvas: Array, maps: Array, uncovered: Mask, moves: bool) -> None:
        """Draw it onto ``canvas``, the photo (H, W, 3), moved by ``maps`` (5, H, W) of one frame.

        ``uncovered`` are the pixels that show anything of regions that have moved in this frame.
        """
        if self._plate is not None:
            box, part = self._plate
            shown = box.of(uncovered)
            box.of(canvas)[shown] = part[shown]
        if self._area is None or not moves:
            return
        drawn = self._area.of(canvas)
        unknown = np.zeros(drawn.shape[:2], bool)
        for piece, seen, known in self._parts(*self._surface(maps)):
            piece.of(canvas)[:] = seen
            piece.within(self._area).of(unknown)[:] = ~known
        if unknown.any() and not unknown.all():
            box = box_of(unknown, AROUND)
            known = ~box.of(unknown)
            if known.any():
                box.of(drawn)[:] = push_pull(box.of(drawn), known)
            else:
                drawn[:] = push_pull(drawn, ~unknown)

    def _parts(self, moved: Array, depth: Array) -> Iterator[tuple[Box, Array, Mask]]:
        """The pictures of parts of the area, and where they are known."""
        assert self._area is not None
        if self._layers is not None and not is_smooth(moved):
            yield self._area, *self._layers.seen(moved, depth, self._area)
            return
        for part, sight in sights(moved, self._origin, depth, self._area):
            yield part, sharp(self._colour, sight.source), sight.covered

    def _surface(self, maps: Array) -> tuple[Array, Array]:
        """By how much each pixel of the continued sheet is displaced, and its depth."""
        assert self._area is not None
        if self._extended is None:
            part = maps[:, self._area.top : self._area.bottom, self._area.left : self._area.right]
            moved, depth = np.stack([part[0], part[1]], axis=-1), part[2]
        else:
            field = self._extended(self._area.of_maps(maps[:3]))
            moved, depth = field[..., :2], field[..., 2]
        left, top, right, bottom = self._sides
        if any(self._sides):
            depth = np.pad(depth, ((top, bottom), (left, right)), mode="edge")
        return padded(moved, self._sides), depth


def _area(farthest: Array, stirred: Mask) -> Box:
    """The box outside of which nothing of the background ever changes."""
    height, width = stirred.shape
    whole = Box(0, 0, width, height)
    area = box_of(stirred)
    inner = (
        (area.top > 0, np.s_[area.top, area.left : area.right]),
        (area.bottom < height, np.s_[area.bottom - 1, area.left : area.right]),
        (area.left > 0, np.s_[area.top : area.bottom, area.left]),
        (area.right < width, np.s_[area.top : area.bottom, area.right - 1]),
    )
    for is_inside, line in inner:
        if is_inside and farthest[line].max() > 0.5:
            return whole
    return area
