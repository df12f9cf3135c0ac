"""How a thing moves as a whole: the similarity that most of its points follow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float64]

#: Times that the weights of outlying points are found anew.
ROUNDS = 20


def similarity(starts: Places, ends: Places) -> Callable[[Places], Places]:
    """The shift, turn and scale that takes most of ``starts`` ``(N, 2)`` to ``ends``.

    Least squares with Cauchy's weights, whose scale is the median distance (at least a pixel), so
    that points which were followed wrongly count little.

    Args:
        starts: at least two points.
        ends: where each of them is found.
    """
    a, b = _complex(starts), _complex(ends)
    # Before anything is fitted the middle of all displacements says which are odd.
    moves = b - a
    left = np.abs(moves - (np.median(moves.real) + 1j * np.median(moves.imag)))
    turn, shift = np.complex128(1.0), np.complex128(0.0)
    for _ in range(ROUNDS):
        weights = 1.0 / (1.0 + np.square(left / max(float(np.median(left)), 1.0)))
        weights /= weights.sum()
        middle, goal = (weights * a).sum(), (weights * b).sum()
        arms = a - middle
        length = float(weights @ np.square(np.abs(arms)))
        turned = ((weights * arms.conj()) * (b - goal)).sum()
        turn = np.complex128(turned / length if length > 0 else 1.0)
        shift = np.complex128(goal - turn * middle)
        left = np.abs(turn * a + shift - b)

    def moved(points: Places) -> Places:
        there = turn * _complex(points) + shift
        return np.stack([there.real, there.imag], -1)

    return moved


def _complex(points: Places) -> NDArray[np.complex128]:
    result: NDArray[np.complex128] = points[..., 0] + 1j * points[..., 1]
    return result
