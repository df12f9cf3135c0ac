"""What has to be known of all frames before the first is drawn, gathered in one pass over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.pyramid import Array, Mask

Labels = NDArray[np.int32]

#: Pixels by which a region may part from what is around it and still be one with it.
JOINED = 0.1

#: Every how many pixels the usual slope inside a region is looked at.
SPARSE = 7

#: Pixels over which the slope of a field at a side is taken.
BASELINE = 8


class Moves(Protocol):
    """The maps of a ``layered-motion`` signal, made when they are asked for."""

    def __len__(self) -> int:
        """T."""

    def __getitem__(self, index: int) -> Array:
        """Those of one frame, ``(5, H, W)``: dx, dy, depth, layer, cover."""


class Survey:
    """One look at every frame.

    Attributes:
        layers: ``(H, W)``, the number of each pixel's layer.
        cover: ``(H, W)``, how much of it is covered.
        stirs: ``(T, L + 1)``, which layers move in which frame.
        gone: ``(T, L + 1)``, which layers are not there in which frame: they stir as well.
        farthest: ``(H, W)``, how far each pixel ever moves.
        sides: displacements ``(T, W or H)`` at the left, top, right and bottom side, outward
            motion of the picture being negative, each with that :data:`BASELINE` pixels inward.
        joined: of each layer from 1, whether it moves as one with what is around it, always.
    """

    def __init__(self, moves: Moves) -> None:
        first = moves[0]
        self.layers: Labels = np.rint(first[3]).astype(np.int32)
        self.cover: Array = first[4].copy()
        layers = int(self.layers.max()) + 1
        self.stirs = np.zeros((len(moves), layers), bool)
        self.gone = np.zeros((len(moves), layers), bool)
        squares = np.zeros(self.layers.shape, np.float32)
        self.joined = [True] * layers
        boxes = dict(self._boxes())
        owns = [self.layers == number for number in range(layers)]
        is_there = [number > 0 and bool(own.any()) for number, own in enumerate(owns)]
        strips: list[list[Array]] = []
        for index in range(len(moves)):
            maps = moves[index]
            field = maps[:2]
            square = np.square(field[0]) + np.square(field[1])
            moved = square > 0
            some_gone = bool((maps[2] == 0).any())
            for number, own in enumerate(owns):
                gone = some_gone and is_there[number] and not maps[2][own].any()
                self.gone[index, number] = gone
                self.stirs[index, number] = gone or bool((moved & own).any())
                self.joined[number] = self.joined[number] and not gone
            np.maximum(squares, square, out=squares)
            strips.append(list(_strips(field)))
            for number, box in boxes.items():
                if self.joined[number] and index:
                    mask = box.of(owns[number])
                    part = field[:, box.top : box.bottom, box.left : box.right]
                    self.joined[number] = mask.all() or _is_joined(part, mask)
        self.farthest: Array = np.sqrt(squares, out=squares)
        self.sides = [np.stack(side) for side in zip(*strips, strict=True)]

    def _boxes(self) -> Iterator[tuple[int, Box]]:
        for number in range(1, int(self.layers.max()) + 1):
            mask = self.layers == number
            if mask.any():
                yield number, box_of(mask, 1)

    @property
    def stirred(self) -> Mask:
        """``(H, W)``, the pixels that move in any frame."""
        return np.asarray(self.farthest > 0)


def _strips(field: Array) -> Iterator[Array]:
    """At each side the outward displacement and that further inward, ``(2, length)``."""
    height, width = field.shape[1:]
    right, down = min(BASELINE, width - 1), min(BASELINE, height - 1)
    yield field[0][:, [0, right]].T.copy()
    yield field[1][[0, down]].copy()
    yield -field[0][:, [-1, -1 - right]].T
    yield -field[1][[-1, -1 - down]]


def _is_joined(field: Array, mask: Mask) -> bool:
    """Whether a region moves as one with what is around it, in a frame's ``field`` (2, H, W)."""
    for axis in (0, 1):
        first, second = _neighbours(mask, axis)
        step = np.diff(field, axis=axis + 1)
        size = np.sqrt(np.square(step[:, first != second]).sum(0))
        within = step[:, first & second][:, ::SPARSE]
        usual = np.sqrt(np.square(within).sum(0))
        bound = JOINED + 2 * float(np.median(usual)) if usual.size else JOINED
        if size.size and float(size.max()) > bound:
            return False
    return True


def _neighbours(mask: Mask, axis: int) -> tuple[Any, Any]:
    """``mask`` without its last and without its first row (axis 0) or column (axis 1)."""
    if axis == 0:
        return mask[:-1], mask[1:]
    return mask[:, :-1], mask[:, 1:]
