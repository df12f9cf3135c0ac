"""Which points of a clip's first frame are followed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError
from kinema.motion.canvas import Point, Size, as_points

#: Points that are followed at most; a motion file holds T * N of them as text.
MOST_POINTS = 20_000

#: Points that are followed unless the caller says which or how many.
POINTS = 256

Places = NDArray[np.float64]


def starts(
    size: Size,
    inside: NDArray[np.bool_] | None,
    points: int | Sequence[Point] | None,
    grid: float | None,
) -> Places:
    """Points ``(N, 2)`` of a picture, x before y.

    Args:
        size: (width, height) of the picture.
        inside: bool ``(H, W)``, where points that are not given one by one may lie; None is
            everywhere.
        points: about how many, evenly spread; or the points themselves. None is
            :data:`POINTS`, unless ``grid`` is given.
        grid: pixels from one point to the next, instead of a number.

    Raises:
        InputError: both are given, a number is not positive or asks for too many, no point lies
            inside, or a given point lies outside the picture.
    """
    if points is not None and grid is not None:
        raise InputError(
            f"Say how many points are followed or how far apart they are, not both; got "
            f"points={points!r} and grid={grid!r}."
        )
    if points is not None and not isinstance(points, int):
        return _given(as_points(points, "the points to follow"), size)
    area = float(size[0] * size[1] if inside is None else inside.sum())
    if grid is None:
        count = POINTS if points is None else points
        if not 1 <= count <= MOST_POINTS:
            raise InputError(f"From 1 to {MOST_POINTS} points can be followed, got {count!r}.")
        return _about(count, size, inside, area)
    if not (math.isfinite(grid) and grid > 0):
        raise InputError(f"Points are a positive number of pixels apart, got grid={grid!r}.")
    if area / grid**2 > MOST_POINTS:
        raise InputError(
            f"A grid of {grid:g} pixels has about {area / grid**2:.0f} points; at most "
            f"{MOST_POINTS} are followed. Take {math.ceil(math.sqrt(area / MOST_POINTS))}."
        )
    return _grid(grid, size, inside)


def _given(points: Sequence[Point], size: Size) -> Places:
    width, height = size
    outside = [p for p in points if not (0 <= p[0] <= width - 1 and 0 <= p[1] <= height - 1)]
    if outside or not points:
        first = f", the first of them at ({outside[0][0]:g}, {outside[0][1]:g})" if outside else ""
        raise InputError(
            f"{len(outside)} of {len(points)} points to follow lie outside the clip of "
            f"{width}x{height}{first}; their pixels go from (0, 0) to ({width - 1}, {height - 1})."
        )
    return np.array(points, dtype=np.float64)


def _about(count: int, size: Size, inside: NDArray[np.bool_] | None, area: float) -> Places:
    """The grid whose number of points comes nearest to ``count``."""
    step = math.sqrt(area / count)
    tried = [step * factor for factor in np.linspace(0.6, 1.4, 33).tolist()]
    grids = [_grid(each, size, inside) for each in sorted(tried, key=lambda each: abs(each - step))]
    return min(grids, key=lambda each: abs(len(each) - count))


def _grid(step: float, size: Size, inside: NDArray[np.bool_] | None) -> Places:
    """Points ``step`` apart about the middle; the middle of what is inside, if none lies there."""
    axes = []
    for side in size:
        count = max(1, math.floor(side / step))
        axes.append((side - 1) / 2 + (np.arange(count) - (count - 1) / 2) * step)
    places = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
    if inside is None:
        return places
    x, y = np.rint(places).astype(np.intp).T
    kept: Places = places[inside[y, x]]
    if len(kept):
        return kept
    rows, columns = np.nonzero(inside)
    away = (columns - columns.mean()) ** 2 + (rows - rows.mean()) ** 2
    nearest = int(away.argmin())
    return np.array([[columns[nearest], rows[nearest]]], dtype=np.float64)
