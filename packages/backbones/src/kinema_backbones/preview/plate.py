"""The photo with the holes filled that moving regions leave behind."""

from __future__ import annotations

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.pyramid import Array, Mask, grown

#: Pixels around whatever a region covers that are filled in as well, because a lens, a resize and a
#: compression have mixed the region into them.
STAINED = 2

#: Pixels around a hole, at least, that it may be filled from.
NEIGHBOURS = 160

#: Coverage from which a pixel is the region's.
COVERED = 0.02


def stained(alpha: Array, scale: int = 1, *, soft: bool = False) -> Mask:
    """The pixels (H, W) that show anything of a region, of its matte ``alpha`` (H, W).

    A ``soft`` mask says itself which pixels those are, give or take one.
    """
    return grown(alpha > COVERED, 1 if soft else STAINED * scale)


def filled_plate(photo: Array, sources: Mask, hole: Mask) -> tuple[Box, Array]:
    """The part of ``photo`` (H, W, 3) around ``hole`` (H, W), filled from ``sources`` (H, W).

    What is farther away than :data:`NEIGHBOURS`, or half as far as the hole is wide, is something
    else as a rule, and is not copied while anything nearer is.
    """
    tight = box_of(hole)
    box = box_of(hole, max(NEIGHBOURS, max(tight.width, tight.height) // 2))
    missing = box.of(hole)
    usable = box.of(sources) & ~missing
    if not usable.any():
        box, missing, usable = Box(0, 0, *hole.shape[::-1]), hole, sources & ~hole
    filled = fill(box.of(photo), missing, usable)
    inner = tight.within(box)
    return tight, inner.of(filled).copy()
