"""The photo without what moves over it: filled, continued beyond its sides, and warped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.depth_layers import DepthLayers
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.inversion import Sights, is_smooth
from kinema_backbones.preview.moves import Field
from kinema_backbones.preview.plate import filled_plate
from kinema_backbones.preview.points import Tears
from kinema_backbones.preview.pyramid import Array, Mask
from kinema_backbones.preview.sheets import Framed, Plain, Sheet, Window, seen
from kinema_backbones.preview.sides import continued, needed_sides, widened
from kinema_backbones.preview.survey import Survey


class Background:
    """Layer 0.

    Args:
        photo: the photo.
        fields: gives the field of a box in a frame.
        survey: of all frames.
        own: ``(H, W)``, the pixels of the photo that show the background.
        hole: ``(H, W)``, pixels that show anything of the regions that move away from it.
        stirred: ``(H, W)``, pixels of ``own`` that move in any frame.
        plate: ``(H, W, 3)``, what holes show; None fills them from the photo.

    Attributes:
        area: the part of the canvas that ever changes, whose field :meth:`drawing` takes.
    """

    def __init__(
        self,
        photo: Array,
        fields: Callable[[int, Box], Field],
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
        self.area: Box | None = None
        self._layers: DepthLayers | None = None
        if not stirred.any():
            return
        self.area = _area(survey.farthest, stirred)
        known = self.area.of(own)
        self._extended = None if known.all() else Extension(known, smooth=True)
        self._sides = needed_sides(survey.sides, own)
        left, top = self._sides[:2]
        self._origin = float(self.area.left - left), float(self.area.top - top)
        sheet: Sheet = Plain(photo)
        if self._plate is not None:
            sheet = Framed(sheet, (0, 0), sheet.size, (self._plate,))
        self._sheet = continued(Window(sheet, self.area), self._sides)
        frames = len(survey.stirs)
        for index in (frames - 1, frames // 2):
            field = fields(index, self.area)
            moved, _ = self._surface(field)
            if is_smooth(moved):
                continue
            depth = self._surface(fields(0, self.area))[1]()
            if Tears.of(moved, depth).near.any():
                colour = self._sheet.crop(Box(0, 0, *self._sheet.size))
                self._layers = DepthLayers(colour, moved, depth, self._origin)
                break

    def patch(self, canvas: Array, band: Box, uncovered: Mask) -> None:
        """Show what was hidden in the ``uncovered`` (h, w) pixels of a band of the canvas."""
        if self._plate is None:
            return
        box, part = self._plate
        shared = box.common(band)
        if shared is not None:
            shown = shared.within(band).of(uncovered)
            shared.within(band).of(canvas)[shown] = shared.within(box).of(part)[shown]

    def drawing(self, field: Field) -> Callable[[Box], tuple[Array, Mask]]:
        """What gives the picture of a part of the area in a frame, and where it is known.

        Args:
            field: of the area in that frame.
        """
        assert self.area is not None
        area = self.area
        moved, depth = self._surface(field)
        if self._layers is not None and not is_smooth(moved):
            picture, known = self._layers.seen(moved, depth(), area)
            return lambda part: (part.within(area).of(picture), part.within(area).of(known))
        sights = Sights(moved, self._origin, depth, area)

        def drawn(part: Box) -> tuple[Array, Mask]:
            sight = sights.of(part)
            return seen(self._sheet, sight.source), sight.covered

        return drawn

    def _surface(self, field: Field) -> tuple[Array, Callable[[], Array]]:
        """By how much each pixel of the continued sheet is displaced, and what gives its depth."""
        moved, deep = field.moved, field.depth
        if self._extended is not None:
            values = np.concatenate([moved, deep[..., None]], axis=-1)
            self._extended(values)
            moved, deep = np.ascontiguousarray(values[..., :2]), values[..., 2]
        left, top, right, bottom = self._sides
        if any(self._sides):
            height, width = moved.shape[:2]
            wide = np.empty((top + height + bottom, left + width + right, 2), np.float32)
            wide[top : top + height, left : left + width] = moved
            moved = wide
            widened(moved, self._sides)
        return moved, lambda: np.pad(deep, ((top, bottom), (left, right)), mode="edge")


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
