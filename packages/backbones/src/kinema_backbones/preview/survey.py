"""What has to be known of all frames before the first is drawn, gathered in one pass over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.moves import Moves, bands
from kinema_backbones.preview.pyramid import Array, Mask

Labels = NDArray[np.int32]
Lines = NDArray[np.int64]

#: Pixels by which a region may part from what is around it and still be one with it.
JOINED = 0.1

#: Every how many pixels the usual slope inside a region is looked at.
SPARSE = 7

#: Pixels over which the slope of a field at a side is taken.
BASELINE = 8


class Survey:
    """One look at every frame.

    Attributes:
        layers: ``(H, W)``, the number of each pixel's layer.
        cover: ``(H, W)``, how much of it is covered.
        attached: of the layers of which the motion says so, whether they are attached.
        stirs: ``(T, L + 1)``, which layers move in which frame.
        gone: ``(T, L + 1)``, which layers are not there in which frame: they stir as well.
        farthest: ``(H, W)``, how far each pixel ever moves.
        sides: displacements ``(T, W or H)`` at the left, top, right and bottom side, outward
            motion of the picture being negative, each with that :data:`BASELINE` pixels inward.
        joined: of each layer from 1, whether it moves as one with what is around it, always.
    """

    def __init__(self, moves: Moves) -> None:
        width, height = moves.size
        self.layers: Labels = np.empty((height, width), np.int32)
        self.cover: Array = np.empty((height, width), np.float32)
        self.attached: dict[int, bool] = {}
        for band in bands(moves):
            maps = moves.rows(0, band.top, band.bottom)
            band.of(self.layers)[:] = np.rint(maps[3])
            band.of(self.cover)[:] = maps[4]
            self._note_attached(band.of(self.layers), maps[5])
        layers = int(self.layers.max()) + 1
        self.stirs = np.zeros((len(moves), layers), bool)
        self.gone = np.zeros((len(moves), layers), bool)
        self.farthest: Array = np.zeros((height, width), np.float32)
        self.joined = [True] * layers
        boxes = dict(self._boxes())
        strips: list[list[Array]] = []
        for index in range(len(moves)):
            asked = [box for number, box in boxes.items() if self.joined[number] and index]
            fields = _Fields(asked)
            sides = _Sides(width, height)
            there = np.zeros(layers, bool)
            for band in bands(moves):
                maps = moves.rows(index, band.top, band.bottom)
                fields.take(band, maps)
                sides.take(band, maps)
                square = np.square(maps[0]) + np.square(maps[1])
                np.maximum(band.of(self.farthest), square, out=band.of(self.farthest))
                self._note(index, band.of(self.layers), square > 0, maps[2], there)
            for number in boxes:
                self.gone[index, number] = not there[number]
                self.stirs[index, number] |= not there[number]
                self.joined[number] = self.joined[number] and bool(there[number])
            for number, box in boxes.items():
                if self.joined[number] and index:
                    mask = box.of(self.layers) == number
                    self.joined[number] = mask.all() or _is_joined(fields.parts[box], mask)
            strips.append(sides.strips)
        np.sqrt(self.farthest, out=self.farthest)
        self.sides = [np.stack(side) for side in zip(*strips, strict=True)]

    def _note_attached(self, layers: Labels, says: Array) -> None:
        for kept, sign in ((True, says > 0), (False, says < 0)):
            self.attached |= dict.fromkeys(np.unique(layers[sign]).tolist(), kept)

    def _note(self, index: int, layers: Labels, moved: Mask, depth: Array, there: Mask) -> None:
        """Note which layers stir in a band of a frame, and which are ``there`` (L + 1,)."""
        for number in range(self.stirs.shape[1]):
            own = layers == number
            self.stirs[index, number] |= bool((moved & own).any())
            there[number] |= bool((own & (depth != 0)).any())

    def _boxes(self) -> Iterator[tuple[int, Box]]:
        for number in range(1, int(self.layers.max()) + 1):
            mask = self.layers == number
            if mask.any():
                yield number, box_of(mask, 1)

    def forget_layers(self) -> None:
        """Give the memory of :attr:`layers` and :attr:`cover` back."""
        self.layers, self.cover = np.empty((0, 0), np.int32), np.empty((0, 0), np.float32)

    @property
    def stirred(self) -> Mask:
        """``(H, W)``, the pixels that move in any frame."""
        return np.asarray(self.farthest > 0)


class _Fields:
    """The displacements ``(2, h, w)`` in some boxes, taken from bands of a frame."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.parts = {box: np.empty((2, box.height, box.width), np.float32) for box in boxes}

    def take(self, band: Box, maps: Array) -> None:
        """Take what the ``maps`` (6, h, W) of a band hold of them."""
        for box, part in self.parts.items():
            shared = box.common(band)
            if shared is not None:
                own, into = shared.within(band), shared.within(box)
                for axis in (0, 1):
                    into.of(part[axis])[:] = own.of(maps[axis])


class _Sides:
    """At each side the outward displacement and that further inward, ``(2, length)``."""

    def __init__(self, width: int, height: int) -> None:
        self._right, self._down = min(BASELINE, width - 1), min(BASELINE, height - 1)
        self._height = height
        self.strips = [np.empty((2, length), np.float32) for length in (height, width) * 2]

    def take(self, band: Box, maps: Array) -> None:
        """Take what the ``maps`` (6, h, W) of a band hold of them."""
        left, top, right, bottom = self.strips
        rows = np.s_[:, band.top : band.bottom]
        left[rows] = maps[0][:, [0, self._right]].T
        right[rows] = -maps[0][:, [-1, -1 - self._right]].T
        for place, row in enumerate((0, self._down)):
            if band.top <= row < band.bottom:
                top[place] = maps[1][row - band.top]
        for place, row in enumerate((self._height - 1, self._height - 1 - self._down)):
            if band.top <= row < band.bottom:
                bottom[place] = -maps[1][row - band.top]


def _is_joined(field: Array, mask: Mask) -> bool:
    """Whether a region moves as one with what is around it, in a frame's ``field`` (2, H, W)."""
    for axis in (0, 1):
        first, second = _neighbours(mask, axis)
        edge = np.flatnonzero(first != second)
        inner = np.flatnonzero(first & second)[::SPARSE]
        size, usual = (_apart(field, axis, first.shape, index) for index in (edge, inner))
        bound = JOINED + 2 * float(np.median(usual)) if usual.size else JOINED
        if size.size and float(size.max()) > bound:
            return False
    return True


def _apart(field: Array, axis: int, shape: tuple[int, int], index: Lines) -> Array:
    """How far pixels (K,) of the first of :func:`_neighbours`, of a shape, part from the second."""
    rows, columns = np.unravel_index(index, shape)
    after = (rows + 1, columns) if axis == 0 else (rows, columns + 1)
    step = [part[after] - part[rows, columns] for part in field]
    return np.asarray(np.sqrt(np.square(step).sum(0)), np.float32)


def _neighbours(mask: Mask, axis: int) -> tuple[Any, Any]:
    """``mask`` without its last and without its first row (axis 0) or column (axis 1)."""
    if axis == 0:
        return mask[:-1], mask[1:]
    return mask[:, :-1], mask[:, 1:]
