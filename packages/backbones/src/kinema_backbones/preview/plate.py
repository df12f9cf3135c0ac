"""The photo with the holes filled that moving regions leave behind."""

from __future__ import annotations

import cv2
import numpy as np

from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.pyramid import Array, Mask

#: Pixels around whatever a region covers that are filled in as well, because a lens, a resize and a
#: compression have mixed the region into them.
STAINED = 2

#: Coverage from which a pixel is the region's.
COVERED = 0.02


def stained(alpha: Array, scale: int = 1) -> Mask:
    """The pixels (H, W) that show anything of a region, of its matte ``alpha`` (H, W)."""
    side = 2 * STAINED * scale + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate((alpha > COVERED).astype(np.uint8), kernel) > 0)


def filled_plate(photo: Array, sources: Mask, hole: Mask) -> Array:
    """``photo`` (H, W, 3), with ``hole`` (H, W) filled from ``sources`` (H, W)."""
    return fill(photo, hole, sources & ~hole) if hole.any() else photo
