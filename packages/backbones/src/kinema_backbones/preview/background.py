"""The photo without what moves over it: filled, continued beyond its sides, and warped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.inversion import is_smooth, sighted
from kinema_backbones.preview.plate import filled_plate
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import sharp
from kinema_backbones.preview.sides import continued, needed_sides, padded
from kinema_backbones.preview.survey import Survey
from kinema_backbones.preview.underlay import Underlay


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
        self._underlay: Underlay | None = None
        if not stirred.any():
            return
        self._area = _area(survey.farthest, stirred)
        self._extended = Extension(self._area.of(own), smooth=True)
        self._sides = needed_sides(survey.sides, own)
        plate = self._area.of(photo)
        if self._plate is not None:
            whole = photo.copy()
            box, part = self._plate
            box.of(whole)[:] = part
            plate = self._area.of(whole)
        self._colour = continued(plate, self._sides)
        frames = len(survey.stirs)
        for index in (frames - 1, frames // 2):
            places = self._surface(moves(index))[0]
            if not is_smooth(places):
                self._underlay = Underlay(self._colour, places, self._surface(moves(0))[1])
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
        places, depth = self._surface(maps)
        sight = sighted(places, depth, self._area)
        seen = sharp(self._colour, sight.source)
        known = sight.covered
        if self._underlay is not None and not known.all():
            below = self._underlay.sight(places, depth, self._area)
            lower = below.covered & ~known
            seen[lower] = sharp(self._underlay.colour, below.source)[lower]
            known = known | lower
        if not known.all() and known.any():
            seen = push_pull(seen, known)
        self._area.of(canvas)[:] = seen

    def _surface(self, maps: Array) -> tuple[Array, Array]:
        """Where each pixel of the continued sheet lies on the canvas, and its depth."""
        assert self._area is not None
        field = self._extended(self._area.of_maps(maps[:3]))
        places = padded(self._area.grid() + field[..., :2], self._sides)
        left, top, right, bottom = self._sides
        return places, np.pad(field[..., 2], ((top, bottom), (left, right)), mode="edge")


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
