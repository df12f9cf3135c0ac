"""The photo with the holes filled that moving regions leave behind."""

from __future__ import annotations

import cv2
import numpy as np

from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.pyramid import Array, Mask

#: Pixels around a region in which a remnant of its object is looked for.
RIM = 5

#: Pixels over which the colours on either side of a region's edge are averaged.
NEARBY = 15

#: Squared colour difference from which the two sides can be told apart.
DISTINCT = 0.01

#: Share of the way from the outer to the inner colour from which a pixel counts as a remnant.
REMNANT = 0.3


def filled_plate(photo: Array, own: Mask, uncovered: Mask) -> Array:
    """``photo`` (H, W, 3), with the pixels ``uncovered`` filled from ``own``.

    A mask that is a little too tight leaves a rim of its object in the photo. The rim stays as it
    is, but the fill neither continues nor copies it.
    """
    if not uncovered.any():
        return photo
    rim = remnants(photo, own, uncovered)
    filled = fill(photo, uncovered | rim, own & ~rim)
    return np.where(uncovered[..., None], filled, photo)


def remnants(photo: Array, own: Mask, uncovered: Mask) -> Mask:
    """Pixels (H, W) of ``own`` next to ``uncovered`` that look like what was in there."""
    distance = cv2.distanceTransform((~uncovered).astype(np.uint8), cv2.DIST_L2, 5)
    ring = own & (distance <= RIM)
    inner = local_mean(photo, uncovered)
    outer = local_mean(photo, own & (distance > RIM))
    way = inner - outer
    length = np.square(way).sum(-1)
    share = ((photo - outer) * way).sum(-1) / np.maximum(length, 1e-6)
    return np.asarray(ring & (length > DISTINCT) & (share > REMNANT))


def local_mean(photo: Array, mask: Mask) -> Array:
    """Mean of the pixels of ``mask`` around each pixel, ``(H, W, 3)``; 0 where there are none."""
    size = (2 * NEARBY + 1, 2 * NEARBY + 1)
    weight = mask.astype(np.float32)
    total = cv2.blur(photo * weight[..., None], size)
    share = np.maximum(cv2.blur(weight, size), 1e-4)
    return np.asarray(total / share[..., None], dtype=np.float32)
