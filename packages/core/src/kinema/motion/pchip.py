"""The shape-preserving cubic of drags.

It is what ``scipy.interpolate.PchipInterpolator`` makes. Importing that takes half a second, which
is more than a preview takes to render.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pchip(knots: Array, values: Array, at: Array) -> Array:
    """The monotone cubic of Fritsch and Carlson (1980) through ``values``, read ``at`` times.

    Args:
        knots: ``(K,)`` times, strictly increasing, two or more.
        values: ``(K, C)``.
        at: ``(T,)`` times within the knots.

    Returns:
        ``(T, C)``.
    """
    step = np.diff(knots)[:, None]
    # Between knots a denormal apart slopes overflow, and their inverse is 0 as it should be.
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        secants = np.diff(values, axis=0) / step
        slopes = _slopes(step, secants)
        bend = (slopes[:-1] + slopes[1:] - 2 * secants) / step
        cubic, square = bend / step, (secants - slopes[:-1]) / step - bend
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    s = (at - knots[piece])[:, None]
    path: Array = (
        values[piece] + slopes[piece] * s + square[piece] * (s * s) + cubic[piece] * (s * s * s)
    )
    return path


def _slopes(step: Array, secants: Array) -> Array:
    """The derivative at each knot, ``(K, C)``."""
    if len(secants) == 1:
        return np.concatenate([secants, secants])
    before, after = secants[:-1], secants[1:]
    near, far = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    # The weighted harmonic mean of both sides; flat where the path turns round (Fritsch and
    # Butland, 1984).
    mean = 1.0 / ((near / before + far / after) / (near + far))
    inner = np.where(np.sign(before) * np.sign(after) > 0, mean, 0.0)
    first = _end(step[0], step[1], secants[0], secants[1])
    last = _end(step[-1], step[-2], secants[-1], secants[-2])
    return np.concatenate([first[None], inner, last[None]])


def _end(step: Array, next_step: Array, secant: Array, next_secant: Array) -> Array:
    """The one-sided derivative at an end, by three points, kept from overshooting."""
    slope = ((2 * step + next_step) * secant - step * next_secant) / (step + next_step)
    steep = (np.sign(secant) != np.sign(next_secant)) & (np.abs(slope) > 3 * np.abs(secant))
    slope = np.where(steep, 3 * secant, slope)
    return np.where(np.sign(slope) == np.sign(secant), slope, 0.0)
