"""What is seen of a sheet, and the derivatives by which it is found."""

from __future__ import annotations

import attrs
import numpy as np

from kinema_backbones.preview.pyramid import Array, Mask

#: The least area of a pixel whose field is inverted.
AREA = 0.05


@attrs.frozen(eq=False)
class Sight:
    """What a sheet shows in each pixel of a box.

    Attributes:
        source: ``(h, w, 2)`` pixels of the sheet, x before y.
        covered: ``(h, w)``, whether the sheet is there at all.
    """

    source: Array
    covered: Mask


def inverse_slopes(right: Array, down: Array) -> Array:
    """The inverse of the matrix with these columns, (..., 4) row by row; bounded."""
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    area = np.where(np.abs(area) < AREA, np.copysign(AREA, area), area)
    rows = (down[..., 1], -down[..., 0], -right[..., 1], right[..., 0])
    return np.clip(np.stack([row / area for row in rows], axis=-1), -8.0, 8.0)
