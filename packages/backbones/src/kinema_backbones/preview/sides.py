"""The photo continued beyond its sides, for when those come into view."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from kinema_backbones.preview.pyramid import Array, Mask
from kinema_backbones.preview.survey import BASELINE

#: Pixels (left, top, right, bottom) beyond the sides of the photo.
Sides = tuple[int, int, int, int]

#: How far the photo is continued at most, as a share of its width or height.
FARTHEST = 0.5

#: Blurs that a mirrored picture passes into, and at how many pixels from the side.
BLURS = ((2.0, 12.0), (8.0, 60.0))


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
    """``picture`` (H, W, 3) mirrored at its ``sides``, and blurred the more the farther out.

    A mirror image has no seam, and the blur hides that it is one.
    """
    left, top, right, bottom = sides
    if not any(sides):
        return picture
    mirrored = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REFLECT_101)
    inside = np.zeros(mirrored.shape[:2], np.uint8)
    inside[top : top + picture.shape[0], left : left + picture.shape[1]] = 1
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    result = mirrored
    for blur, reach in BLURS:
        share = np.clip(distance / reach, 0.0, 1.0)[..., None]
        result = result + share * (cv2.GaussianBlur(mirrored, (0, 0), blur) - result)
    return np.asarray(result, dtype=np.float32)


def mirrored(values: Array | Mask, sides: Sides) -> Array:
    """``values`` (H, W) mirrored at their ``sides``, float32."""
    left, top, right, bottom = sides
    wide = cv2.copyMakeBorder(
        values.astype(np.float32), top, bottom, left, right, cv2.BORDER_REFLECT_101
    )
    return np.asarray(wide, np.float32)


def padded(places: Array, sides: Sides) -> Array:
    """``places`` (h, w, 2) continued linearly by pixels beyond each of its sides."""
    left, top, right, bottom = sides
    across = _padded_along(places, left, right, 1)
    return _padded_along(across, top, bottom, 0)


def _padded_along(places: Array, before: int, after: int, axis: int) -> Array:
    if not before and not after:
        return places
    rows = np.moveaxis(places, axis, 0)
    reach = min(BASELINE, len(rows) - 1)
    parts = [rows]
    for count, edge, inner in ((before, 0, reach), (after, -1, -1 - reach)):
        slope = (rows[edge] - rows[inner]) / max(reach, 1)
        steps = np.arange(1, count + 1, dtype=np.float32)
        beyond = rows[edge] + steps.reshape(-1, *[1] * (rows.ndim - 1)) * slope
        parts = [beyond[::-1], *parts] if edge == 0 else [*parts, beyond]
    return np.moveaxis(np.concatenate(parts), 0, axis).astype(np.float32)
