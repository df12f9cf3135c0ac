"""A region of the photo, cut out along its matte, that moves over what is below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box, box_around, box_of
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.inversion import sights
from kinema_backbones.preview.joint import Joint
from kinema_backbones.preview.matte import coarseness, feathered, is_soft, matte, own_colour
from kinema_backbones.preview.outline import AROUND, BEYOND
from kinema_backbones.preview.plate import STAINED, stained
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import sharp, within
from kinema_backbones.preview.sides import continued, mirrored, needed_sides

#: Pixels of a sheet beyond all that it shows, for the kernel that samples it.
KERNEL = 2

#: Pixels of motion from which an edge is that of the matte; what stays is the photo itself.
LOOSENED = 1.0


class Cutout:
    """One region, continued beyond the sides of the photo that it touches.

    Args:
        photo: ``(H, W, 3)``.
        strips: how the sides of the photo move, see :class:`Survey`.
        own: ``(H, W)``, the pixels of the region that the photo shows.
        hidden: ``(H, W)``, pixels that it probably has below higher regions; they are filled in.
        cover: ``(H, W)``, its mask in grey levels from 0 to 1.
        blocked: ``(H, W)``, pixels of other regions.
        held: where it is attached to the background, if it is.
        feather: pixels over which its edge fades inward, beyond what the photo says.

    Attributes:
        own: as given.
        stained: ``(H, W)``, the pixels of the photo that show anything of it.
    """

    def __init__(
        self,
        photo: Array,
        strips: Sequence[Array],
        own: Mask,
        hidden: Mask,
        cover: Array,
        blocked: Mask,
        held: Joint | None,
        feather: float,
    ) -> None:
        self.own = own
        line = held.line if held else np.zeros_like(own)
        sides = needed_sides(strips, own)
        whole = mirrored(own | hidden, sides) > 0
        scale = coarseness(box_of(whole, AROUND))
        box = box_of(whole, (int(BEYOND) + STAINED + KERNEL) * scale)
        around = box_of(whole, AROUND * scale)
        picture = fill(photo, hidden, own) if hidden.any() else photo
        wide = around.of(continued(picture, sides))
        inside = around.of(whole)
        levels = around.of(mirrored(np.where(hidden, 1.0, cover).astype(np.float32), sides))
        alpha = matte(
            wide,
            inside,
            levels,
            around.of(mirrored(blocked & ~hidden, sides) > 0),
            around.of(mirrored(line, sides) > 0),
        )
        alpha = feathered(alpha, feather)
        support = stained(alpha, scale, soft=is_soft(inside, levels))
        behind = push_pull(wide, ~support) if not support.all() else wide
        colour = own_colour(wide, alpha, behind)
        part = box.within(around)
        self._inside: Mask = box.of(whole)
        self._alpha, self._support, self._colour, self._picture = (
            part.of(sheet).copy() for sheet in (alpha, support, colour, wide)
        )
        self._place(box, sides, own)
        if held:
            self.stained &= ~held.close

    def _place(self, box: Box, sides: tuple[int, int, int, int], own: Mask) -> None:
        """Note which part of its sheet the canvas shows, and which part of that it owns."""
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
        self._on_canvas(known)[:] = self._seen.of(own)
        self._extended = Extension(known)
        self._grid = box.grid() - np.array([left, top], np.float32)
        self.stained = np.zeros(own.shape, bool)
        self._seen.of(self.stained)[:] = self._on_canvas(self._support)

    def draw(self, canvas: Array, maps: Array) -> None:
        """Draw it onto ``canvas`` (H, W, 3), moved by ``maps`` (5, H, W) of one frame."""
        field = np.zeros((*self._inside.shape, 3), np.float32)
        self._on_canvas(field)[:] = self._seen.of_maps(maps[:3])
        field = self._extended(field)
        moved = np.ascontiguousarray(field[..., :2])
        places = self._grid[self._support] + moved[self._support]
        height, width = canvas.shape[:2]
        box = box_around(places, Box(0, 0, width, height))
        if box is None:
            return
        alpha, colour = self._loosened(moved)
        left, top = (float(side) for side in self._grid[0, 0])
        for part, sight in sights(moved, (left, top), field[..., 2], box):
            share = within(alpha, sight.source) * sight.covered
            below = part.of(canvas)
            below += share[..., None] * (sharp(colour, sight.source) - below)

    def keep(self, canvas: Array, photo: Array) -> None:
        """Draw it onto ``canvas`` where it is in the photo, exactly where nothing changes."""
        below, alpha = self._seen.of(canvas), self._on_canvas(self._alpha)[..., None]
        changed = (below != self._seen.of(photo)).any(-1)
        drawn = below + alpha * (self._on_canvas(self._colour) - below)
        below[changed] = drawn[changed]

    def _on_canvas(self, sheet: NDArray[Any]) -> NDArray[Any]:
        """The part of a sheet (h, w, ...) that lies on the canvas, a view."""
        top, left = self._seen_at
        return sheet[top : top + self._seen.height, left : left + self._seen.width]

    def _loosened(self, moved: Array) -> tuple[Array, Array]:
        """Matte and colour; where the region stays, those of the photo with all that is mixed in.

        An anchored part has no edge, then, and a part that sets out gets its edge as it goes.
        """
        loose = np.sqrt(np.square(moved).sum(-1)) / np.float32(LOOSENED)
        if loose[self._support].min() >= 1.0:
            return self._alpha, self._colour
        loose = np.minimum(loose, 1.0)
        alpha = self._support + loose * (self._alpha - self._support)
        colour = self._picture + loose[..., None] * (self._colour - self._picture)
        return alpha.astype(np.float32), colour.astype(np.float32)
