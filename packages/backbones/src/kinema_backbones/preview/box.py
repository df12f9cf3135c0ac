"""Rectangles on the canvas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.pyramid import Array, Mask


@attrs.frozen
class Box:
    """A rectangle of pixels on the canvas: ``left <= x < right``, ``top <= y < bottom``."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top

    def of(self, picture: NDArray[Any]) -> Any:
        """Its part of ``picture`` (H, W, ...), a view."""
        return picture[self.top : self.bottom, self.left : self.right]

    def within(self, other: Box) -> Box:
        """The same rectangle in the coordinates of ``other``, which holds it."""
        left, top = other.left, other.top
        return Box(self.left - left, self.top - top, self.right - left, self.bottom - top)

    def shifted(self, right: int, down: int) -> Box:
        """The same rectangle so many pixels further."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def common(self, other: Box) -> Box | None:
        """What both hold, None where that is nothing."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Box(left, top, right, bottom) if left < right and top < bottom else None

    def strips(self, pixels: int) -> Iterator[Box]:
        """The same rectangle in parts of full width with about so many pixels each."""
        rows = max(1, pixels // max(1, self.width))
        for top in range(self.top, self.bottom, rows):
            yield Box(self.left, top, self.right, min(top + rows, self.bottom))

    def grid(self) -> Array:
        """The canvas coordinates of its pixels, ``(height, width, 2)``."""
        x = np.arange(self.left, self.right, dtype=np.float32)
        y = np.arange(self.top, self.bottom, dtype=np.float32)
        return np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1)


def box_of(mask: Mask, border: int = 0) -> Box:
    """The smallest box of ``mask``, and ``border`` pixels more, inside the canvas."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    return Box(
        max(int(columns[0]) - border, 0),
        max(int(rows[0]) - border, 0),
        min(int(columns[-1]) + 1 + border, width),
        min(int(rows[-1]) + 1 + border, height),
    )


def box_around(places: Array, canvas: Box, border: int = 2) -> Box | None:
    """The box inside ``canvas`` that holds all ``places`` (M, 2), None where that is nothing."""
    low, high = np.floor(places.min(0)) - border, np.ceil(places.max(0)) + border + 1
    left, top = (max(int(value), 0) for value in low)
    right, bottom = min(int(high[0]), canvas.right), min(int(high[1]), canvas.bottom)
    return Box(left, top, right, bottom) if left < right and top < bottom else None
