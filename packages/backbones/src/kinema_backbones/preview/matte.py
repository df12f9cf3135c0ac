"""The soft edge of a cut-out region."""

from __future__ import annotations

import cv2
import numpy as np

from kinema_backbones.preview.plate import local_mean
from kinema_backbones.preview.pyramid import Array, Mask, push_pull

#: Pixels over which an edge fades at most, where inside and outside look the same.
SOFTEST = 24

#: Colour distance up to which inside and outside look the same, and from which they do not.
ALIKE, UNLIKE = 0.03, 0.13


def softness(photo: Array, inside: Mask, outside: Mask, feather: float) -> Array:
    """How far into a region each pixel is, ``(h, w)``: 0 outside it, 1 where it is solid.

    The way inward is short where the region differs from what is outside, and long where it looks
    the same, so a brush that was drawn too wide leaves no rim around its object.

    Args:
        photo: ``(h, w, 3)``.
        inside: ``(h, w)``, the region.
        outside: ``(h, w)``, the pixels that surely show what is around it.
        feather: pixels of the shortest way.
    """
    step = np.full(inside.shape, 1.0 / max(feather, 1e-3), np.float32)
    if outside.any():
        around = push_pull(photo, outside)
        mean = local_mean(photo, outside)
        spread = np.sqrt(np.maximum(local_mean(photo**2, outside) - mean**2, 0.0).sum(-1))
        unlike = np.sqrt(np.square(photo - around).sum(-1)) - np.minimum(spread, ALIKE)
        share = np.clip((unlike - ALIKE) / (UNLIKE - ALIKE), 0.0, 1.0)
        step = 1.0 / (SOFTEST + (min(feather, SOFTEST) - SOFTEST) * share).clip(1e-3)
        step = step.astype(np.float32)
    # A region that ends with the canvas has no edge there.
    cost = np.pad(np.where(inside, np.inf, 0.0).astype(np.float32), 1, mode="edge")
    step = np.pad(step, 1, mode="edge")
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    square = np.ones((3, 3), np.uint8)
    for index in range(SOFTEST):
        # Steps along the axes and along the diagonals in turn make the ways nearly round.
        nearest = cv2.erode(cost, square if index % 2 else cross)
        cost = np.minimum(cost, np.where(cost > 0, nearest + step, 0.0))
    return np.minimum(cost, 1.0)[1:-1, 1:-1].astype(np.float32)
