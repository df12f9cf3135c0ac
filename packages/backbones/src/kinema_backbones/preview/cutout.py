"""A region of the photo, cut out with a soft edge, that moves over what is below."""

from __future__ import annotations

import numpy as np

from kinema_backbones.preview.box import Box, box_around, box_of
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.inversion import sighted
from kinema_backbones.preview.matte import SOFTEST, softness
from kinema_backbones.preview.plate import remnants
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import sharp, within
from kinema_backbones.preview.sides import continued, mirrored_mask, needed_sides

#: Pixels that a cut-out's sheet reaches beyond its mask, for the kernel that samples it.
BORDER = 4

#: Pixels of motion from which an edge has its full softness; where it stays, it has no edge.
LOOSENED = 2.0


class Cutout:
    """One region, continued beyond the sides of the photo that it touches.

    Args:
        photo: ``(H, W, 3)``.
        maps: ``(T, 4, H, W)``.
        own: ``(H, W)``, the pixels of the region that the photo shows.
        hidden: ``(H, W)``, pixels that it probably has below higher regions; they are filled in.
        feather: pixels over which its edge fades inward.
    """

    def __init__(self, photo: Array, maps: Array, own: Mask, hidden: Mask, feather: float) -> None:
        self.own = own
        sides = needed_sides(maps, own)
        self._corner = np.array(sides[:2], np.float32)
        whole = mirrored_mask(own | hidden, sides)
        wide = continued(photo, sides)
        box = box_of(whole, BORDER)
        around = box_of(whole, SOFTEST)
        self._inside: Mask = box.of(whole)
        soft = np.zeros(whole.shape, np.float32)
        around.of(soft)[:] = _softness(around.of(wide), around.of(whole), feather)
        self._softness: Array = box.of(soft).copy()
        picture = continued(fill(photo, hidden, own), sides) if hidden.any() else wide
        self._colour = push_pull(box.of(picture), self._inside)
        left, top = sides[:2]
        height, width = own.shape
        self._seen = Box(
            max(box.left - left, 0),
            max(box.top - top, 0),
            min(box.right - left, width),
            min(box.bottom - top, height),
        )
        self._seen_at = (self._seen.top + top - box.top, self._seen.left + left - box.left)
        known = np.zeros(self._inside.shape, bool)
        self._fill_in(known, self._seen.of(own))
        self._extended = Extension(known)
        self._grid = box.grid() - self._corner

    def draw(self, canvas: Array, maps: Array) -> None:
        """Draw it onto ``canvas`` (H, W, 3), moved by ``maps`` (4, H, W) of one frame."""
        field = np.zeros((*self._inside.shape, 3), np.float32)
        self._fill_in(field, self._seen.of_maps(maps[:3]))
        field = self._extended(field)
        places = self._grid + field[..., :2]
        height, width = canvas.shape[:2]
        box = box_around(places[self._inside], Box(0, 0, width, height))
        if box is None:
            return
        sight = sighted(places, field[..., 2], box)
        alpha = within(self._alpha(field[..., :2]), sight.source) * sight.covered
        colour = sharp(self._colour, sight.source)
        below = box.of(canvas)
        below += alpha[..., None] * (colour - below)

    def keep(self, canvas: Array, photo: Array) -> None:
        """Draw it onto ``canvas`` where the photo has it, exactly."""
        canvas[self.own] = photo[self.own]

    def _fill_in(self, sheet: Array | Mask, part: Array | Mask) -> None:
        top, left = self._seen_at
        sheet[top : top + part.shape[0], left : left + part.shape[1]] = part

    def _alpha(self, moved: Array) -> Array:
        loose = np.clip(np.sqrt(np.square(moved).sum(-1)) / LOOSENED, 1e-3, 1.0)
        return np.asarray(np.minimum(self._softness / loose, 1.0), dtype=np.float32)


def _softness(photo: Array, inside: Mask, feather: float) -> Array:
    outside = ~inside & ~remnants(photo, ~inside, inside)
    return softness(photo, inside, outside, feather)
