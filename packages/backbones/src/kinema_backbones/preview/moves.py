"""The maps of a ``layered-motion`` signal, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import attrs
import numpy as np

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.pyramid import Array

#: Pixels that are read, or drawn, at once.
AT_ONCE = 2**19


class Moves(Protocol):
    """The maps of every frame, made when they are asked for."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""

    def __len__(self) -> int:
        """T."""

    def rows(self, index: int, first: int, last: int) -> Array:
        """Some rows of those of one frame, ``(6, last - first, W)``.

        They are dx, dy, depth, layer, cover, attached.
        """


@attrs.frozen(eq=False)
class Field:
    """How a part of the canvas moves in one frame.

    Attributes:
        moved: ``(h, w, 2)``.
        depth: ``(h, w)``; a view of a single number where it is the same everywhere.
    """

    moved: Array
    depth: Array


def bands(moves: Moves) -> Iterator[Box]:
    """The canvas in parts of full width."""
    width, height = moves.size
    yield from Box(0, 0, width, height).strips(AT_ONCE)


def read(moves: Moves, index: int, boxes: Sequence[Box | None]) -> list[Field | None]:
    """The fields of a frame in several boxes, in one pass over its maps."""
    fields: list[Field | None] = [None] * len(boxes)
    wanted = [(place, box) for place, box in enumerate(boxes) if box is not None]
    if not wanted:
        return fields
    moved = {place: np.empty((box.height, box.width, 2), np.float32) for place, box in wanted}
    depth: dict[int, Array] = {}
    for band in bands(moves):
        shared = [(place, box, box.common(band)) for place, box in wanted]
        if all(part is None for _, _, part in shared):
            continue
        maps = moves.rows(index, band.top, band.bottom)
        for place, box, part in shared:
            if part is None:
                continue
            own = part.within(band)
            into = part.within(box)
            for axis in (0, 1):
                into.of(moved[place])[..., axis] = own.of(maps[axis])
            near = own.of(maps[2])
            if place not in depth and (near != 1.0).any():
                depth[place] = np.ones((box.height, box.width), np.float32)
            if place in depth:
                into.of(depth[place])[:] = near
    for place, box in wanted:
        same = np.broadcast_to(np.float32(1.0), (box.height, box.width))
        fields[place] = Field(moved[place], depth.get(place, same))
    return fields
