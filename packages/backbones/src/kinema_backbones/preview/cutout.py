"""A region of the photo, cut out along its matte, that moves over what is below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kinema_backbones.preview.box import Box, box_around, box_of
from kinema_backbones.preview.extension import Extension
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.inversion import Sights, is_smooth
from kinema_backbones.preview.joint import Joint
from kinema_backbones.preview.matte import coarseness, feathered, is_soft, matte, own_colour
from kinema_backbones.preview.moves import AT_ONCE, Field
from kinema_backbones.preview.outline import AROUND, BEYOND
from kinema_backbones.preview.plate import STAINED, stained
from kinema_backbones.preview.pyramid import Array, Mask, grown, push_pull
from kinema_backbones.preview.sampling import sharp, within
from kinema_backbones.preview.sheets import Patched, Plain, Window, looked_at, relative
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
        seen: the part of the canvas that it is read from, whose field :meth:`drawing` takes.
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
        line = held.line if held else np.zeros_like(own)
        sides = needed_sides(strips, own)
        whole = mirrored(own | hidden, sides) > 0
        scale = coarseness(box_of(whole, AROUND))
        box = box_of(whole, (int(BEYOND) + STAINED + KERNEL) * scale)
        around = box_of(whole, AROUND * scale)
        picture = fill(photo, hidden, own) if hidden.any() else photo
        sheet = Window(continued(Plain(picture), sides), box)
        wide = sheet.sheet.crop(around)
        inside = around.of(whole)
        levels = around.of(mirrored(np.where(hidden, np.float32(1.0), cover), sides))
        alpha = matte(
            wide,
            inside,
            levels,
            around.of(mirrored(blocked & ~hidden, sides) > 0),
            around.of(mirrored(line, sides) > 0),
        )
        alpha = feathered(alpha, feather)
        support = stained(alpha, scale, soft=is_soft(inside, levels))
        colour = own_colour(wide, alpha, push_pull(wide, ~support) if not support.all() else wide)
        # Farther from it, its colour is never looked at.
        np.copyto(colour, wide, where=~grown(support | (alpha > 0), 2 * KERNEL)[..., None])
        part = box.within(around)
        if hidden.any():
            # The rest of what was filled is not needed.
            sheet = Window(Plain(part.of(wide).copy()), Box(0, 0, box.width, box.height))
        self._picture = sheet
        self._colour = Patched.of(sheet, part.of(wide), part.of(colour))
        self._alpha, self._support = part.of(alpha).copy(), part.of(support).copy()
        self._place(box, sides, own)
        if held:
            self.stained &= ~held.close

    def _place(self, box: Box, sides: tuple[int, int, int, int], own: Mask) -> None:
        """Note which part of its sheet the canvas shows, and which part of that it owns."""
        left, top = sides[:2]
        height, width = own.shape
        self.seen = Box(
            max(box.left - left, 0),
            max(box.top - top, 0),
            min(box.right - left, width),
            min(box.bottom - top, height),
        )
        self._seen_at = self.seen.shifted(left - box.left, top - box.top)
        known = np.zeros(self._alpha.shape, bool)
        self._seen_at.of(known)[:] = self.seen.of(own)
        self._extended = Extension(known)
        self._origin = float(box.left - left), float(box.top - top)
        self.stained = np.zeros_like(own)
        self.seen.of(self.stained)[:] = self._seen_at.of(self._support)

    def drawing(self, field: Field) -> Callable[[Array, Box], None]:
        """What draws it onto a band of the canvas, ``(h, w, 3)``, in a frame.

        Args:
            field: of its part :attr:`seen` of the canvas in that frame.
        """
        values = np.zeros((*self._alpha.shape, 3), np.float32)
        self._seen_at.of(values)[..., :2] = field.moved
        self._seen_at.of(values)[..., 2] = field.depth
        self._extended(values)
        moved = np.ascontiguousarray(values[..., :2])
        box, is_loose = self._reached(moved)
        if box is None:
            return lambda canvas, band: None
        sights = Sights(moved, self._origin, lambda: values[..., 2], box)
        if is_smooth(moved):
            del values

        def draw(canvas: Array, band: Box) -> None:
            part = band.common(box)
            if part is None:
                return
            sight = sights.of(part)
            near = looked_at(sight.source, self._picture.size)
            source = relative(sight.source, near)
            alpha, colour = self._loosened(near, None if is_loose else near.of(moved))
            share = within(alpha, source) * sight.covered
            below = part.within(band).of(canvas)
            below += share[..., None] * (sharp(colour, source) - below)

        return draw

    def keep(self, canvas: Array, photo: Array, band: Box) -> None:
        """Draw it onto a band of the canvas as in the photo, exactly where nothing changes."""
        part = band.common(self.seen)
        if part is None:
            return
        below = part.within(band).of(canvas)
        own = part.within(self.seen).shifted(self._seen_at.left, self._seen_at.top)
        alpha = own.of(self._alpha)[..., None]
        changed = (below != part.of(photo)).any(-1)
        drawn = below + alpha * (self._colour.crop(own) - below)
        below[changed] = drawn[changed]

    def _reached(self, moved: Array) -> tuple[Box | None, bool]:
        """The box of the canvas in which it is seen, and whether all of it has left its place."""
        left, top = self._origin
        low, high, least = np.full(2, np.inf), np.full(2, -np.inf), np.inf
        height, width = self._alpha.shape
        for strip in Box(0, 0, width, height).strips(AT_ONCE):
            shown = strip.of(self._support)
            if not shown.any():
                continue
            own = strip.of(moved)[shown]
            places = (strip.grid() + np.array([left, top], np.float32))[shown] + own
            low, high = np.minimum(low, places.min(0)), np.maximum(high, places.max(0))
            least = min(least, float(_looseness(own).min()))
        canvas = Box(0, 0, self.stained.shape[1], self.stained.shape[0])
        return box_around(np.stack([low, high]), canvas), least >= 1.0

    def _loosened(self, part: Box, moved: Array | None) -> tuple[Array, Array]:
        """Matte and colour of a part; where it stays, those of the photo with all that is mixed in.

        An anchored part has no edge, then, and a part that sets out gets its edge as it goes. All
        has gone where ``moved`` (h, w, 2) is None.
        """
        alpha, colour = np.ascontiguousarray(part.of(self._alpha)), self._colour.crop(part)
        if moved is None:
            return alpha, colour
        loose = np.minimum(_looseness(moved), 1.0)
        support, picture = part.of(self._support), self._picture.crop(part)
        alpha = support + loose * (alpha - support)
        colour = picture + loose[..., None] * (colour - picture)
        return alpha.astype(np.float32), colour.astype(np.float32)


def _looseness(moved: Array) -> Array:
    """How much of the way to :data:`LOOSENED` pixels have gone, of ``moved`` (..., 2)."""
    return np.asarray(np.sqrt(np.square(moved).sum(-1)) / np.float32(LOOSENED), np.float32)
