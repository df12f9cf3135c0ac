"""A sheet's field beyond the pixels that it is known in."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.pyramid import Array, Mask, push_pull

#: Pixels that a plane is fitted to, at most.
FITTED = 4000


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
        height, width = known.shape
        y, x = np.mgrid[:height, :width]
        self._axes = np.stack([x, y, np.ones_like(x)], axis=-1).astype(np.float32)
        index = np.flatnonzero(known)
        self._fitted = index[:: max(1, len(index) // FITTED)]
        self._solve = np.linalg.pinv(self._axes.reshape(-1, 3)[self._fitted].astype(np.float64))
        self._nearest: NDArray[np.int64] | None = None
        if not smooth and not known.all():
            self._nearest = nearest(known)

    def __call__(self, values: Array) -> Array:
        """Values ``(h, w, C)``, kept where known."""
        if self.known.all():
            return values
        flat = values.reshape(-1, values.shape[-1])
        plane = (self._solve @ flat[self._fitted].astype(np.float64)).astype(np.float32)
        even = self._axes @ plane
        if self._nearest is None:
            return even + push_pull(values - even, self.known)
        rest = (flat - even.reshape(flat.shape))[self._nearest]
        return np.where(self.known[..., None], values, even + rest.reshape(values.shape))


def nearest(known: Mask) -> NDArray[np.int64]:
    """For every pixel, the flat index of the nearest known one, ``(h * w,)``."""
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owner = np.zeros(int(labels.max()) + 1, np.int64)
    owner[labels[known]] = np.flatnonzero(known)
    return np.asarray(owner[labels.ravel()])
