"""The photo continued beyond its sides, for when those come into view."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.pyramid import Array, Mask
from kinema_backbones.preview.survey import BASELINE

#: Pixels (left, top, right, bottom) beyond the sides of the photo.
Sides = tuple[int, int, int, int]

#: How far the photo is continued at most, as a share of its width or height.
FARTHEST = 0.5

#: Pixels beside a side, at least, whose texture goes on beyond it, or so many times what is needed.
SOURCE, SOURCES = 64, 2

#: What it costs to copy from elsewhere along a side, and from farther inside, see :func:`fill`.
LEVEL = (3.0, 0.03)


def needed_sides(strips: Sequence[Array], own: Mask) -> Sides:
    """How far the pixels ``own`` (H, W) have to be continued so that no gap comes into view.

    ``strips`` are the :attr:`~kinema_backbones.preview.survey.Survey.sides` of the motion.
    """
    height, width = own.shape
    lines = (own[:, 0], own[0], own[:, -1], own[-1])
    lengths = (width, height, width, height)
    left, top, right, bottom = (
        _needed(strip[:, 0], strip[:, 1], line, length)
        for strip, line, length in zip(strips, lines, lengths, strict=True)
    )
    return left, top, right, bottom


def _needed(gap: Array, inner: Array, own: Mask, length: int) -> int:
    """Pixels of the sheet that fill a ``gap`` (T, L) at a side, at the stretch it has there."""
    stretch = np.clip(1 + (inner - gap) / max(1, min(BASELINE, length - 1)), 0.25, 4.0)
    pixels = float((gap / stretch * own).max())
    return min(math.ceil(pixels) + 1, int(length * FARTHEST)) if pixels > 0.0 else 0


def continued(picture: Array, sides: Sides) -> Array:
    """``picture`` (H, W, 3) with texture of its margins beyond its ``sides``.

    First to the left and right from the same height, then above and below from the same column,
    since what lies there is most likely to go on.
    """
    left, top, right, bottom = sides
    wide = _continued_along(picture, left, right)
    turned = np.ascontiguousarray(wide.transpose(1, 0, 2)) if top or bottom else wide
    if not (top or bottom):
        return wide
    return np.ascontiguousarray(_continued_along(turned, top, bottom).transpose(1, 0, 2))


def _continued_along(picture: Array, before: int, after: int) -> Array:
    """``picture`` (H, W, 3), ``before`` columns longer on the left and ``after`` on the right."""
    if not before and not after:
        return picture
    width = picture.shape[1]
    wide = cv2.copyMakeBorder(picture, 0, 0, before, after, cv2.BORDER_REFLECT_101)
    whole = np.asarray(wide, np.float32)
    for count, is_first in ((before, True), (after, False)):
        if not count:
            continue
        length = count + min(width, max(SOURCE, SOURCES * count))
        part = whole[:, :length] if is_first else whole[:, -length:]
        hole = np.zeros(part.shape[:2], bool)
        (hole[:, :count] if is_first else hole[:, -count:])[:] = True
        part[:] = fill(part, hole, ~hole, LEVEL)
    return whole


def mirrored(values: Array | Mask, sides: Sides) -> Array:
    """``values`` (H, W) mirrored at their ``sides``, float32."""
    left, top, right, bottom = sides
    wide = cv2.copyMakeBorder(
        values.astype(np.float32), top, bottom, left, right, cv2.BORDER_REFLECT_101
    )
    return np.asarray(wide, np.float32)


def padded(moved: Array, sides: Sides) -> Array:
    """A field ``moved`` (h, w, 2) continued linearly by pixels beyond each of its sides."""
    if not any(sides):
        return moved
    left, top, right, bottom = sides
    height, width = moved.shape[:2]
    whole = np.empty((top + height + bottom, left + width + right, 2), np.float32)
    whole[top : top + height, left : left + width] = moved
    rows = whole[top : top + height]
    _continue(rows.transpose(1, 0, 2), left, right)
    _continue(whole, top, bottom)
    return whole


def _continue(whole: Array, before: int, after: int) -> None:
    """Fill the first and the last rows of ``whole`` (H, W, 2) from those between them."""
    last = len(whole) - after - 1
    reach = min(BASELINE, last - before)
    for count, edge, way in ((before, before, -1), (after, last, 1)):
        slope = (whole[edge] - whole[edge - way * reach]) / max(reach, 1)
        for step in range(1, count + 1):
            whole[edge + way * step] = whole[edge] + np.float32(step) * slope
