"""Read a picture between its pixels."""

from __future__ import annotations

import cv2
import numpy as np

from kinema_backbones.preview.pyramid import Array

_NO_SECOND_MAP = np.empty(0, np.float32)


def sharp(picture: Array, source: Array) -> Array:
    """``picture`` (H, W, 3) at ``source`` (h, w, 2), bicubic; outside, its edge goes on."""
    return _remapped(picture, source, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)


def linear(picture: Array, source: Array) -> Array:
    """``picture`` (H, W[, C]) at ``source`` (h, w, 2), bilinear; outside, its edge goes on."""
    return _remapped(picture, source, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)


def within(picture: Array, source: Array) -> Array:
    """``picture`` (H, W) at ``source`` (h, w, 2), bilinear; outside, it is zero."""
    return _remapped(picture, source, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)


def _remapped(picture: Array, source: Array, interpolation: int, border: int) -> Array:
    return np.asarray(
        cv2.remap(picture, source, _NO_SECOND_MAP, interpolation, borderMode=border),
        dtype=np.float32,
    )
