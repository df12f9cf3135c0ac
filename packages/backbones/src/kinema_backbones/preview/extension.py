"""A sheet's field beyond the pixels that it is known in."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.pyramid import Array, Mask, push_pull

#: Pixels that a plane is fitted to, at most.
FITTED = 4000

#: Pixels, and rows, that are continued at once.
AT_ONCE, STRIP = 2**18, 128


class Extension:
    """Continues values known in some pixels into all others.

    What an affine motion explains continues as that motion, so that a turning object turns beyond
    its edge as well; the rest continues from the nearest known pixel, or smoothly.

    Args:
        known: ``(h, w)``, True somewhere.
        smooth: continue the rest smoothly (for wide gaps) and not from the nearest pixel.
    """

    def __init__(self, known: Mask, *, smooth: bool = False) -> None:
        self.known = known
        self.smooth = smooth
        self._width = known.shape[1]
        index = np.flatnonzero(known)
        self._fitted = index[:: max(1, len(index) // FITTED)]
        self._solve = np.linalg.pinv(self._axes(self._fitted).astype(np.float64))
        self._unknown = self._owners = np.empty(0, np.int32)
        if not smooth and not known.all():
            unknown = np.flatnonzero(~known)
            self._unknown = unknown.astype(np.int32)
            self._owners = nearest(known)[unknown]

    def __call__(self, values: Array) -> None:
        """Change ``values`` (h, w, C) where they are not known."""
        if self.known.all():
            return
        flat = values.reshape(-1, values.shape[-1])
        plane = (self._solve @ flat[self._fitted].astype(np.float64)).astype(np.float32)
        if self.smooth:
            self._smoothly(values, plane)
            return
        for first in range(0, len(self._unknown), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            unknown, owners = self._unknown[part], self._owners[part]
            rest = flat[owners] - self._axes(owners) @ plane
            flat[unknown] = self._axes(unknown) @ plane + rest

    def _smoothly(self, values: Array, plane: Array) -> None:
        height, width = self.known.shape
        strips = [
            (
                slice(first, first + STRIP),
                np.arange(first * width, min(first + STRIP, height) * width),
            )
            for first in range(0, height, STRIP)
        ]
        for rows, index in strips:
            values[rows] -= (self._axes(index) @ plane).reshape(values[rows].shape)
        rest = push_pull(values, self.known)
        for rows, index in strips:
            values[rows] = (self._axes(index) @ plane).reshape(values[rows].shape) + rest[rows]

    def _axes(self, index: NDArray[np.integer[Any]]) -> Array:
        """x, y and 1 of pixels (K,), ``(K, 3)``."""
        rows, columns = np.divmod(index, self._width)
        return np.stack([columns, rows, np.ones_like(rows)], axis=-1).astype(np.float32)


def nearest(known: Mask) -> NDArray[np.int32]:
    """For every pixel, the flat index of the nearest known one, ``(h * w,)``."""
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(int(labels.max()) + 1, np.int32)
    owner[labels[known]] = np.flatnonzero(known)
    found = labels.ravel()
    # In strips, since an index is 64 bits wide while it is looked up.
    for first in range(0, len(found), AT_ONCE):
        found[first : first + AT_ONCE] = owner[found[first : first + AT_ONCE]]
    return np.asarray(found)
