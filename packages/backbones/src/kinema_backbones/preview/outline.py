"""Where the object ends whose mask was drawn a little too small or too large."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import box_of
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.pyramid import Array, Mask

Index = NDArray[np.int64]

#: Pixels by which an object may at most reach beyond its mask, and stay inside it.
BEYOND, WITHIN = 4.0, 18.0

#: Share of the half width of a part, next to its middle line, that surely belongs to it.
SURE = 0.75

#: Pixels around a region that tell the colours behind it.
AROUND = 24

#: Rounds of fitting colours and cutting.
ROUNDS = 3

#: Radii of the discs by which the width of a part is measured.
DISCS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)

#: Where around a pixel the nearest known colours are looked up: itself, and two rings.
LOOKS = [(0, 0)] + [
    (round(radius * math.cos(turn + first)), round(radius * math.sin(turn + first)))
    for radius, first in ((5, 0.0), (11, 0.5))
    for turn in (0.0, math.pi / 2, math.pi, 3 * math.pi / 2)
]

#: From this likeness to the inside, against that to the outside, a pixel of a mask stays in it.
KEPT = 0.65


def segmented(photo: Array, inside: Mask, blocked: Mask, held: Mask) -> Mask:
    """The object that the mask ``inside`` means, ``(h, w)``.

    What lies deep in the mask, relative to its width there, is the object, what lies beyond it by
    more than :data:`BEYOND` is not; in between the picture is cut where that costs least (GrabCut,
    Rother, Kolmogorov and Blake 2004). A cut may leave out no pixel that looks like what is
    certain.

    Args:
        photo: ``(h, w, 3)``.
        inside: ``(h, w)``, True somewhere.
        blocked: ``(h, w)``, pixels of other regions, that it cannot have.
        held: ``(h, w)``, where the mask cuts through the object, which ends there, then.
    """
    box = box_of(inside, AROUND)
    colours, own, others, joints = (box.of(part) for part in (photo, inside, blocked, held))
    inward, outward = distances(own)
    sure = own & (inward > np.clip(SURE * half_width(own, inward), 0.8, WITHIN))
    outside = ~own & ((outward > BEYOND) | others)
    if joints.any():
        near = distances(joints)[1] <= WITHIN
        sure, outside = sure | (own & near), outside | (~own & near)
    result = inside.copy()
    if not sure.any() or not outside.any():
        return result
    labels = np.where(own, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    labels[sure], labels[outside] = cv2.GC_FGD, cv2.GC_BGD
    marked = labels.astype(np.uint8)
    if not ((marked == cv2.GC_PR_FGD) | (marked == cv2.GC_PR_BGD)).any():
        return result
    picture = np.rint(colours.clip(0.0, 1.0) * 255).astype(np.uint8)
    back, front = np.zeros((1, 65)), np.zeros((1, 65))
    # Its clusters begin at random.
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, marked, (0, 0, 1, 1), back, front, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (marked == cv2.GC_FGD) | (marked == cv2.GC_PR_FGD)
    lost = own & ~found
    if lost.any():
        found |= lost & (_likeness(colours, own & ~sure, sure, outside & ~others) > KEPT)
    box.of(result)[:] = found
    return result


def distances(inside: Mask) -> tuple[Array, Array]:
    """Pixels to the outline, within ``inside`` (h, w) and outside it."""
    inward, outward = (
        cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 5) for side in (inside, ~inside)
    )
    return np.asarray(inward, np.float32), np.asarray(outward, np.float32)


def half_width(inside: Mask, inward: Array) -> Array:
    """Radius of the largest disc that lies in ``inside`` (h, w) and covers the pixel."""
    width = inside.astype(np.float32)
    for radius in DISCS:
        core = inward > radius
        if not core.any():
            break
        reached = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5) <= radius
        width[reached & inside] = radius
    return width


def _likeness(photo: Array, asked: Mask, sure: Mask, outside: Mask) -> Array:
    """How much the pixels ``asked`` look like the nearest of ``sure``, against ``outside``."""
    likeness = np.zeros(asked.shape, np.float32)
    if not outside.any():
        return np.ones_like(likeness)
    rows, columns = np.nonzero(asked)
    inner, outer = (nearest_match(photo, rows, columns, side) for side in (sure, outside))
    likeness[rows, columns] = outer / (outer + inner + 1e-4)
    weight = asked.astype(np.float32)
    total, share = (cv2.GaussianBlur(part, (0, 0), 2.0) for part in (likeness, weight))
    return np.asarray(total / np.maximum(share, 1e-3), np.float32)


def nearest_match(photo: Array, rows: Index, columns: Index, side: Mask) -> Array:
    """The least squared colour difference of pixels (N,) to those of ``side`` near them."""
    own, source, flat = photo[rows, columns], nearest(side), photo.reshape(-1, 3)
    height, width = side.shape
    least = np.full(len(own), np.inf, np.float32)
    for right, down in LOOKS:
        y, x = np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)
        least = np.minimum(least, np.square(flat[source[y * width + x]] - own).sum(-1))
    return least
