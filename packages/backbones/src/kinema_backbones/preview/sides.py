"""The photo continued beyond its sides, for when those come into view."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.pyramid import Array, Mask
from kinema_backbones.preview.sheets import Framed, Sheet
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


def continued(picture: Sheet, sides: Sides) -> Sheet:
    """``picture`` with texture of its margins beyond its ``sides``.

    First to the left and right from the same height, then above and below from the same column,
    since what lies there is most likely to go on.
    """
    left, top, right, bottom = sides
    width, height = picture.size
    if left or right:
        parts = []
        for count, is_first in ((left, True), (right, False)):
            if count:
                inner = min(width, max(SOURCE, SOURCES * count))
                near = (
                    Box(0, 0, inner, height) if is_first else Box(width - inner, 0, width, height)
                )
                margin = _beyond(picture.crop(near), count, is_first)
                start = 0 if is_first else left + width
                parts.append((Box(start, 0, start + count, height), margin))
        width += left + right
        picture = Framed(picture, (left, 0), (width, height), tuple(parts))
    if top or bottom:
        parts = []
        for count, is_first in ((top, True), (bottom, False)):
            if count:
                inner = min(height, max(SOURCE, SOURCES * count))
                near = (
                    Box(0, 0, width, inner) if is_first else Box(0, height - inner, width, height)
                )
                turned = np.ascontiguousarray(picture.crop(near).transpose(1, 0, 2))
                margin = _beyond(turned, count, is_first).transpose(1, 0, 2).copy()
                start = 0 if is_first else top + height
                parts.append((Box(0, start, width, start + count), margin))
        picture = Framed(picture, (0, top), (width, top + height + bottom), tuple(parts))
    return picture


def _beyond(near: Array, count: int, is_first: bool) -> Array:
    """``count`` columns to the left of ``near`` (H, W, 3), or else to its right."""
    before, after = (count, 0) if is_first else (0, count)
    wide = cv2.copyMakeBorder(near, 0, 0, before, after, cv2.BORDER_REFLECT_101)
    hole = np.zeros(wide.shape[:2], bool)
    own = np.s_[:, :count] if is_first else np.s_[:, -count:]
    hole[own] = True
    return fill(np.asarray(wide, np.float32), hole, ~hole, LEVEL)[own].copy()


def mirrored(values: Array | Mask, sides: Sides) -> Array:
    """``values`` (H, W) mirrored at their ``sides``, float32."""
    if not any(sides):
        return values.astype(np.float32)
    left, top, right, bottom = sides
    wide = cv2.copyMakeBorder(
        values.astype(np.float32), top, bottom, left, right, cv2.BORDER_REFLECT_101
    )
    return np.asarray(wide, np.float32)


def widened(moved: Array, sides: Sides) -> None:
    """Continue a field ``moved`` (h, w, 2) linearly into so many pixels at each of its sides."""
    left, top, right, bottom = sides
    rows = moved[top : len(moved) - bottom]
    _continue(rows.transpose(1, 0, 2), left, right)
    _continue(moved, top, bottom)


def _continue(whole: Array, before: int, after: int) -> None:
    """Fill the first and the last rows of ``whole`` (H, W, 2) from those between them."""
    last = len(whole) - after - 1
    reach = min(BASELINE, last - before)
    for count, edge, way in ((before, before, -1), (after, last, 1)):
        slope = (whole[edge] - whole[edge - way * reach]) / max(reach, 1)
        for step in range(1, count + 1):
            whole[edge + way * step] = whole[edge] + np.float32(step) * slope
