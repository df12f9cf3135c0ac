"""Where a region is a part of something larger, which stretches there instead of being cut."""

from __future__ import annotations

import math

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.config import Attached
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.outline import (
    SURE,
    WITHIN,
    distances,
    half_width,
    nearest_match,
)
from kinema_backbones.preview.pyramid import Array, Mask

#: Pixels on either side of an outline whose colours are compared.
BESIDE = 3

#: Colours that differ by less are the same thing's; a pattern may differ by more, up to so much.
SAME, PATTERNED = 0.09, 0.06

#: A joint is at least this share of the outline, and so many pixels long.
SHARE, SHORTEST = 0.05, 8

#: Gaps in a joint up to so many pixels are part of it.
GAP = 15

#: A joint moves by at most this share of the region's size; what goes farther comes off.
FARTHEST = 0.3

#: Pixels that a joint moves at least; a region that is anchored there needs none.
MOVED = 0.5

#: Pixels around a joint that go along wholly; then the motion fades over at least so many, and over
#: so many times what the joint moves.
CLOSE, FADED, SLACK = 7.0, 16.0, 2.5


@attrs.frozen(eq=False)
class Joint:
    """What goes along with a region that is attached.

    Attributes:
        line: ``(H, W)``, the pixels beside the region at which it is held.
        close: ``(H, W)``, the pixels that are held together.
        zone: ``(K,)`` flat indices of the pixels that go along.
        share: ``(K,)`` how much of the region's motion they take.
        source: ``(K,)`` flat indices of the region's pixels whose motion that is.
    """

    line: Mask
    close: Mask
    zone: NDArray[np.int64]
    share: Array
    source: NDArray[np.int64]

    def carry(self, maps: Array) -> Array:
        """``maps`` (5, H, W) with the zone going along: a copy of dx, dy and depth."""
        carried = maps[:3].copy()
        for axis in (0, 1):
            flat, moved = maps[axis].ravel(), carried[axis].reshape(-1)
            moved[self.zone] = self.share * flat[self.source]
        return carried


def joint(photo: Array, farthest: Array, own: Mask, rest: Mask, attached: Attached) -> Joint | None:
    """The joint between a region and the background; None where it comes off.

    In ``auto`` a stretch of the outline is a joint where the colours on both sides are the same and
    found deeper in the region as well, if it is long enough and moves little: a head that turns,
    not a cup that slides.

    Args:
        photo: ``(H, W, 3)``.
        farthest: ``(H, W)``, how far each pixel ever moves.
        own: ``(H, W)``, the region.
        rest: ``(H, W)``, the background.
        attached: what a person says about it.
    """
    if attached == "never" or not own.any() or not rest.any():
        return None
    inward, outward = distances(own)
    line = rest & (outward <= 1.5)
    source = nearest(own)
    moved = np.zeros(own.shape, np.float32)
    moved[line] = farthest.ravel()[source[np.flatnonzero(line)]]
    if attached == "auto":
        sure = own & (inward > np.clip(SURE * half_width(own, inward), 0.8, WITHIN))
        if not sure.any():
            return None
        inside, outside = own & (inward <= BESIDE), rest & (outward <= BESIDE)
        same = line & _alike(photo, inside, outside)
        rows, columns = np.nonzero(same)
        same[same] = nearest_match(photo, rows, columns, sure) < SAME**2
        same &= moved <= FARTHEST * math.sqrt(int(own.sum()))
        line = _long(line, same, max(SHORTEST, SHARE * int(line.sum())))
    far = float(moved[line].max(initial=0.0))
    if far <= MOVED:
        return None
    distance = cv2.distanceTransform((~line).astype(np.uint8), cv2.DIST_L2, 5)
    close = distance <= CLOSE
    way = np.clip((distance - CLOSE) / max(FADED, SLACK * far), 0.0, 1.0)
    share = np.where(rest | (own & close), 0.5 + 0.5 * np.cos(math.pi * way), 0.0)
    zone = np.flatnonzero(share > 0)
    return Joint(
        line, close & (own | rest), zone, share.ravel()[zone].astype(np.float32), source[zone]
    )


def _alike(photo: Array, inside: Mask, outside: Mask) -> Mask:
    """Pixels (H, W) around which both sides have the same colour."""
    size = (2 * BESIDE + 1, 2 * BESIDE + 1)
    means, spreads = [], []
    for side in (inside, outside):
        weight = side.astype(np.float32)
        share = np.maximum(cv2.blur(weight, size), 1e-4)[..., None]
        mean = cv2.blur(photo * weight[..., None], size) / share
        square = cv2.blur(photo**2 * weight[..., None], size) / share
        means.append(mean)
        spreads.append(np.sqrt(np.maximum(square - mean**2, 0.0).mean(-1)))
    apart = np.sqrt(np.square(means[0] - means[1]).mean(-1))
    return np.asarray(apart < SAME + np.minimum(0.5 * np.minimum(*spreads), PATTERNED))


def _long(line: Mask, same: Mask, least: float) -> Mask:
    """The pieces of ``line`` (H, W) with so many pixels of ``same``, gaps between them closed."""
    kernel = np.ones((GAP, GAP), np.uint8)
    closed = cv2.morphologyEx(same.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    _, labels = cv2.connectedComponents(closed, connectivity=8)
    counts = np.bincount(labels[same], minlength=int(labels.max()) + 1)
    long = counts >= least
    long[0] = False
    return np.asarray(line & long[labels])
