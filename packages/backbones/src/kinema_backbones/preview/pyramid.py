"""Smooth guesses for unknown pixels, from known ones near and far."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Rows that are halved at once; an even number.
STRIP = 256


def push_pull(values: Array, known: Mask) -> Array:
    """Fill what is not ``known`` smoothly and keep what is.

    The pull-push pyramid of Gortler et al. (1996): known values are averaged downward, and each
    unknown pixel takes the finest level that knows something.

    Args:
        values: ``(H, W, C)`` float32.
        known: ``(H, W)`` bool, True somewhere.
    """
    if max(known.shape) == 1 or known.all():
        return values.astype(np.float32)
    levels = [_first(values, known)]
    while max(levels[-1][1].shape) > 1 and not levels[-1][1].all():
        total, weight = (_halved(layer) for layer in levels[-1])
        levels.append((total, weight))
    coarse = _mean(*levels.pop())
    while levels:
        total, weight = levels.pop()
        larger = _larger(coarse, weight.shape)
        trust = np.minimum(weight, 1.0)[..., None]
        fine = _mean(total, weight)
        coarse = np.asarray(larger + trust * (fine - larger), dtype=np.float32)
    # At full size a pixel is known or not, and nothing has to be weighed.
    result = _larger(coarse, known.shape)
    np.copyto(result, values, where=known[..., None])
    return result


def _first(values: Array, known: Mask) -> tuple[Array, Array]:
    """The sums and weights of the first smaller level, in strips: a large picture is not copied."""
    parts = []
    for top in range(0, len(known), STRIP):
        weight = known[top : top + STRIP].astype(np.float32)
        parts.append((_halved(values[top : top + STRIP] * weight[..., None]), _halved(weight)))
    total, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    return total, weight


def _larger(coarse: Array, shape: tuple[int, ...]) -> Array:
    """``coarse`` (h, w, C) in the size (height, width)."""
    larger = cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger, np.float32).reshape(*shape[:2], coarse.shape[-1])


def _mean(total: Array, weight: Array) -> Array:
    return np.asarray(total / np.maximum(weight, 1e-6)[..., None], dtype=np.float32)


def _halved(layer: Array) -> Array:
    """Sums over 2 x 2 pixels; an odd last row or column counts alone."""
    height, width = layer.shape[:2]
    padding = ((0, height % 2), (0, width % 2)) + ((0, 0),) * (layer.ndim - 2)
    even = np.pad(layer, padding)
    return np.asarray(
        even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2], dtype=np.float32
    )


def grown(mask: Mask, pixels: int) -> Mask:
    """``mask`` (H, W) grown by a disc of so many pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)
