"""Where a region is a part of something larger, which stretches there instead of being cut."""

from __future__ import annotations

import math

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.config import Attached
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.moves import AT_ONCE, Field
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

#: Pixels around an outline that are looked at to judge it.
NEAR = 24

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
        box: the part of the canvas that holds the following.
        zone: ``(K,)`` rows and columns in the box of the pixels that go along.
        share: ``(K,)`` how much of the region's motion they take.
        source: ``(K,)`` flat indices in the box of the region's pixels whose motion that is.
    """

    line: Mask
    close: Mask
    box: Box
    zone: tuple[NDArray[np.int64], NDArray[np.int64]]
    share: Array
    source: NDArray[np.int32]

    def carry(self, field: Field, area: Box, own: Field) -> None:
        """Let the zone go along in the ``field`` of an area around it; ``own`` is of the box."""
        rows, columns = self.zone
        moved = self.share[:, None] * own.moved.reshape(-1, 2)[self.source]
        field.moved[rows + self.box.top - area.top, columns + self.box.left - area.left] = moved


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
    line, far = _line(photo, farthest, own, rest, attached)
    if far <= MOVED:
        return None
    reach = max(FADED, SLACK * far)
    box = box_of(own, math.ceil(CLOSE + reach) + NEAR)
    distance = distances(~box.of(line))[0]
    close = np.zeros_like(own)
    box.of(close)[:] = distance <= CLOSE
    way = np.clip((distance - CLOSE) / reach, 0.0, 1.0)
    goes = box.of(rest) | (box.of(own) & box.of(close))
    share = np.where(goes, 0.5 + 0.5 * np.cos(math.pi * way), 0.0)
    rows, columns = np.nonzero(share > 0)
    source = nearest(box.of(own))[np.flatnonzero(share > 0)]
    close &= own | rest
    taken = share[rows, columns].astype(np.float32)
    return Joint(line, close, box, (rows, columns), taken, source)


def _line(
    photo: Array, farthest: Array, own: Mask, rest: Mask, attached: Attached
) -> tuple[Mask, float]:
    """The pixels (H, W) beside a region at which it is held, and how far they ever move."""
    result = np.zeros_like(own)
    box = box_of(own, NEAR)
    picture, mine, others = (box.of(part) for part in (photo, own, rest))
    inward, outward = distances(mine)
    line = others & (outward <= 1.5)
    moved = np.zeros(mine.shape, np.float32)
    moved[line] = box.of(farthest).ravel()[nearest(mine)[np.flatnonzero(line)]]
    if attached == "auto":
        sure = mine & (inward > np.clip(SURE * half_width(mine, inward), 0.8, WITHIN))
        if not sure.any():
            return result, 0.0
        inside, outside = mine & (inward <= BESIDE), others & (outward <= BESIDE)
        same = line & _alike(picture, inside, outside)
        rows, columns = np.nonzero(same)
        same[same] = nearest_match(picture, rows, columns, sure) < SAME**2
        same &= moved <= FARTHEST * math.sqrt(int(own.sum()))
        line = _long(line, same, max(SHORTEST, SHARE * int(line.sum())))
    box.of(result)[:] = line
    return result, float(moved[line].max(initial=0.0))


def _alike(photo: Array, inside: Mask, outside: Mask) -> Mask:
    """Pixels (H, W) around which both sides have the same colour."""
    alike = np.zeros_like(inside)
    height, width = inside.shape
    for strip in Box(0, 0, width, height).strips(AT_ONCE):
        around = Box(0, max(strip.top - NEAR, 0), width, min(strip.bottom + NEAR, height))
        if not around.of(inside).any():
            continue
        found = _alike_part(*(around.of(part) for part in (photo, inside, outside)))
        strip.of(alike)[:] = strip.within(around).of(found)
    return alike


def _alike_part(photo: Array, inside: Mask, outside: Mask) -> Mask:
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
