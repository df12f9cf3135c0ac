"""Pictures of which only parts are ever held in full: the photo, and what is laid over it."""

from __future__ import annotations

from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.pyramid import Array
from kinema_backbones.preview.sampling import sharp

#: Pixels around what is looked at that the kernel of a sampling reads as well.
KERNEL = 4


class Sheet(Protocol):
    """A picture ``(h, w, 3)``."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""

    def crop(self, box: Box) -> Array:
        """Its part in ``box``, ``(height, width, 3)``: a copy of its own."""


@attrs.frozen(eq=False)
class Plain:
    """A picture as it is, such as a view of the photo."""

    picture: Array

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.picture.shape[1], self.picture.shape[0]

    def crop(self, box: Box) -> Array:
        """A copy of its part in ``box``."""
        return np.array(box.of(self.picture), np.float32, order="C")


@attrs.frozen(eq=False)
class Window:
    """A part of another sheet."""

    sheet: Sheet
    box: Box

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.box.width, self.box.height

    def crop(self, box: Box) -> Array:
        """A copy of its part in ``box``."""
        return self.sheet.crop(box.shifted(self.box.left, self.box.top))


@attrs.frozen(eq=False)
class Framed:
    """A sheet that other pictures are laid over or beside.

    Attributes:
        sheet: what is below.
        at: (x, y) of its first pixel.
        size: (width, height) of the whole.
        parts: further pictures and where they lie; together they fill what the sheet does not.
    """

    sheet: Sheet
    at: tuple[int, int]
    size: tuple[int, int]
    parts: tuple[tuple[Box, Array], ...]

    def crop(self, box: Box) -> Array:
        """A copy of its part in ``box``."""
        left, top = self.at
        width, height = self.sheet.size
        own = box.common(Box(left, top, left + width, top + height))
        if own == box:
            picture = self.sheet.crop(box.shifted(-left, -top))
        else:
            picture = np.empty((box.height, box.width, 3), np.float32)
            if own is not None:
                own.within(box).of(picture)[:] = self.sheet.crop(own.shifted(-left, -top))
        for place, part in self.parts:
            shared = box.common(place)
            if shared is not None:
                shared.within(box).of(picture)[:] = shared.within(place).of(part)
        return picture


@attrs.frozen(eq=False)
class Patched:
    """A sheet with single pixels of other colours.

    Attributes:
        index: ``(K,)`` flat indices of those, ascending.
        colours: ``(K, 3)``.
    """

    sheet: Sheet
    index: NDArray[np.int32]
    colours: Array

    @classmethod
    def of(cls, sheet: Sheet, before: Array, after: Array) -> Patched:
        """A ``sheet`` of which ``before`` (h, w, 3) became ``after`` (h, w, 3)."""
        index = np.flatnonzero((before != after).any(-1)).astype(np.int32)
        return cls(sheet, index, after.reshape(-1, 3)[index])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.sheet.size

    def crop(self, box: Box) -> Array:
        """A copy of its part in ``box``."""
        picture = self.sheet.crop(box)
        width = self.size[0]
        first, last = np.searchsorted(self.index, (box.top * width, box.bottom * width))
        rows, columns = np.divmod(self.index[first:last], width)
        inside = (columns >= box.left) & (columns < box.right)
        picture[rows[inside] - box.top, columns[inside] - box.left] = self.colours[first:last][
            inside
        ]
        return picture


def looked_at(source: Array, size: tuple[int, int]) -> Box:
    """The part of a sheet of (width, height) that is read to see it at ``source`` (h, w, 2)."""
    edges = []
    for axis in (0, 1):
        line = np.clip(source[..., axis], -KERNEL, size[axis] + KERNEL)
        edges.append(
            (
                min(max(int(np.floor(line.min())) - KERNEL, 0), size[axis] - 1),
                max(min(int(np.ceil(line.max())) + KERNEL + 1, size[axis]), 1),
            )
        )
    (left, right), (top, bottom) = edges
    return Box(left, top, right, bottom)


def relative(source: Array, box: Box) -> Array:
    """``source`` (h, w, 2) counted from the first pixel of ``box``."""
    return source - np.array([box.left, box.top], np.float32)


def seen(sheet: Sheet, source: Array) -> Array:
    """A sheet at ``source`` (h, w, 2), bicubic; outside, its edge goes on."""
    box = looked_at(source, sheet.size)
    return sharp(sheet.crop(box), relative(source, box))
