"""Which point of a sheet is seen in each pixel: displacement fields turned around."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import linear

Lines = NDArray[np.int64]

#: Pixels between the nodes at which a smooth field is first inverted.
STEP = 4

#: A field is smooth where neighbours part at most this much, and no area shrinks below that.
STRETCH, AREA = 2.5, 0.05

#: Corrections after the first guess; the second leaves less than a hundredth of a pixel.
CORRECTIONS = 2

#: Neighbours that part by more than this many pixels are not one surface.
TEAR = 3.0

#: How much nearer, in shares of the inverse depth, a surface must be to hide another.
HIDES = 0.02


@attrs.frozen(eq=False)
class Sight:
    """What a sheet shows in each pixel of a box.

    Attributes:
        source: ``(h, w, 2)`` pixels of the sheet, x before y.
        covered: ``(h, w)``, whether the sheet is there at all.
    """

    source: Array
    covered: Mask


def is_smooth(places: Array) -> bool:
    """Whether ``places`` (h, w, 2) neither tears nor folds, seen every :data:`STEP` pixels."""
    nodes, rows, columns = _nodes(places)
    right, down = _slopes(nodes, rows, columns)
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    longest = max(np.square(right).sum(-1).max(), np.square(down).sum(-1).max())
    return bool(longest < STRETCH**2 and area.min() > AREA)


def sighted(places: Array, depth: Array, box: Box) -> Sight:
    """What a sheet shows in ``box``, inverted the way its field allows."""
    if is_smooth(places):
        return invert_smooth(places, box)
    return invert_torn(places, depth, box)


def invert_smooth(places: Array, box: Box) -> Sight:
    """Invert a field that :func:`is_smooth`: a guess on a coarse grid, then Newton's corrections.

    Args:
        places: ``(h, w, 2)`` where each pixel of the sheet lies on the canvas.
        box: the pixels of the canvas that are asked for.
    """
    guess, slope = _coarse_guess(places, box)
    target = box.grid()
    offset = places - Box(0, 0, places.shape[1], places.shape[0]).grid()
    for _ in range(CORRECTIONS):
        moved = linear(offset, guess)
        error = target - guess - moved
        guess[..., 0] += slope[..., 0] * error[..., 0] + slope[..., 1] * error[..., 1]
        guess[..., 1] += slope[..., 2] * error[..., 0] + slope[..., 3] * error[..., 1]
    height, width = places.shape[:2]
    x, y = guess[..., 0], guess[..., 1]
    covered = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    return Sight(guess, covered)


def _coarse_guess(places: Array, box: Box) -> tuple[Array, Array]:
    """The inverse ``(h, w, 2)`` and its derivative ``(h, w, 4)``, rows of a 2 x 2 matrix."""
    nodes, rows, columns = _nodes(places)
    own = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)
    inverse = _inverse(*_slopes(nodes, rows, columns))
    size = (-(-box.height // STEP) + 2, -(-box.width // STEP) + 2)
    at = (nodes - np.array([box.left, box.top], np.float32)) / np.float32(STEP) + np.float32(0.5)
    values = np.concatenate([own, inverse], axis=-1).reshape(-1, 6).astype(np.float32)
    coarse, weight = splat(at.reshape(-1, 2), values, STEP, size)
    coarse = push_pull(coarse, weight > 1e-4) if (weight > 1e-4).any() else coarse
    shift = np.array([[1 / STEP, 0, 0.5], [0, 1 / STEP, 0.5]], np.float32)
    full = [
        cv2.warpAffine(
            np.ascontiguousarray(part),
            shift,
            (box.width, box.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for part in (coarse[..., :2], coarse[..., 2:])
    ]
    return np.asarray(full[0], np.float32), np.asarray(full[1], np.float32)


def invert_torn(places: Array, depth: Array, box: Box) -> Sight:
    """Invert a field with occlusions and gaps: every point is splatted, near ones hide far ones.

    Args:
        places: ``(h, w, 2)`` where each pixel of the sheet lies on the canvas.
        depth: ``(h, w)``; zero or less is behind the camera.
        box: the pixels of the canvas that are asked for.
    """
    height, width = places.shape[:2]
    rows, columns = np.arange(height), np.arange(width)
    slopes = _slopes(places, rows, columns)
    torn = _torn(places)
    inverse = _inverse(*slopes)
    inverse[torn] = (1.0, 0.0, 0.0, 1.0)
    near = np.where(depth > 0, 1.0 / np.maximum(depth, 1e-6), 0.0).astype(np.float32)
    at = places - np.array([box.left, box.top], np.float32)
    seen = (depth > 0) & ~_loose(places)
    seen &= (at > -1).all(-1) & (at[..., 0] < box.width) & (at[..., 1] < box.height)
    seen[seen] = _in_front(at[seen], near[seen], _tolerance(near)[seen], (box.height, box.width))
    own = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)[seen]
    values = np.concatenate([own, inverse[seen]], axis=-1).astype(np.float32)
    source, weight = splat(at[seen], values, 1.0, (box.height, box.width))
    return _closed(source[..., :2], weight > 0.02)


def _torn(places: Array) -> Mask:
    """Pixels of a sheet that part from a neighbour by more than :data:`TEAR`."""
    torn = np.zeros(places.shape[:2], bool)
    right = np.square(np.diff(places, axis=1)).sum(-1) > TEAR**2
    down = np.square(np.diff(places, axis=0)).sum(-1) > TEAR**2
    torn[:, :-1] |= right
    torn[:, 1:] |= right
    torn[:-1] |= down
    torn[1:] |= down
    return torn


def _loose(places: Array) -> Mask:
    """Pixels torn from both sides: neither near nor far, an artefact of blurred depth."""
    right = np.square(np.diff(places, axis=1)).sum(-1) > TEAR**2
    down = np.square(np.diff(places, axis=0)).sum(-1) > TEAR**2
    loose = np.zeros(places.shape[:2], bool)
    loose[:, 1:-1] |= right[:, 1:] & right[:, :-1]
    loose[1:-1] |= down[1:] & down[:-1]
    return loose


def _tolerance(near: Array) -> Array:
    """How much farther than the nearest point a point of the same surface may be."""
    steep = np.zeros_like(near)
    right, down = np.abs(np.diff(near, axis=1)), np.abs(np.diff(near, axis=0))
    steep[:, 1:] += right
    steep[1:] += down
    return np.asarray(HIDES * near + np.minimum(steep, 2 * HIDES * near))


def _in_front(at: Array, near: Array, tolerance: Array, size: tuple[int, int]) -> Mask:
    """Which points (M,) are not hidden by a nearer one that falls in the same pixel."""
    height, width = size
    column = np.clip(np.rint(at[:, 0]).astype(np.int64), 0, width - 1)
    row = np.clip(np.rint(at[:, 1]).astype(np.int64), 0, height - 1)
    cell = row * width + column
    # Sixteen bits sort by radix, in linear time.
    rank = (near * (65535.0 / max(float(near.max(initial=0.0)), 1e-12))).astype(np.uint16)
    order = np.argsort(rank, kind="stable")
    front = np.zeros(height * width, np.float32)
    front[cell[order]] = near[order]
    # A surface that is drawn larger has cracks of a pixel, which must hide what is behind as well.
    kernel = np.ones((3, 3), np.uint8)
    closed = cv2.morphologyEx(front.reshape(size), cv2.MORPH_CLOSE, kernel).ravel()
    return np.asarray(near >= closed[cell] - tolerance)


def _closed(source: Array, covered: Mask) -> Sight:
    """Close cracks of a pixel or two with what is around them."""
    kernel = np.ones((3, 3), np.uint8)
    whole = cv2.morphologyEx(covered.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    cracks = whole & ~covered
    if cracks.any():
        weight = covered.astype(np.float32)
        total = cv2.blur(source * weight[..., None], (3, 3))
        source = source.copy()
        share = cv2.blur(weight, (3, 3))
        source[cracks] = total[cracks] / np.maximum(share[cracks], 1e-6)[:, None]
    return Sight(source, np.asarray(whole))


def splat(
    at: Array, values: Array, step: float, size: tuple[int, int]
) -> tuple[Array, NDArray[np.float64]]:
    """Spread points over the four pixels around each, and average.

    The first two values are the point's own coordinates, the next four the derivative of those by
    the place (times ``step`` per pixel): each pixel gets what the point predicts for it.

    Args:
        at: ``(M, 2)`` places in pixels of the result.
        values: ``(M, 6)``.
        size: (height, width) of the result.

    Returns:
        ``(height, width, 6)`` averages, and the weight ``(height, width)``, 0 where nothing fell.
    """
    height, width = size
    inside = (at > -1).all(1) & (at[:, 0] < width) & (at[:, 1] < height)
    at, values = at[inside], values[inside]
    low = np.floor(at).astype(np.int64)
    part = (at - low).astype(np.float32)
    # One pixel of border catches what falls half outside.
    wide = width + 2
    base = (low[:, 1] + 1) * wide + low[:, 0] + 1
    cells = (height + 2) * wide
    total = np.zeros(cells)
    sums = np.zeros((values.shape[1], cells))
    for down in (0, 1):
        for right in (0, 1):
            x, y = right - part[:, 0], down - part[:, 1]
            weight = (1 - np.abs(x)) * (1 - np.abs(y))
            index = base + (down * wide + right)
            total += np.bincount(index, weight, cells)
            x, y = x * step, y * step
            for channel in range(values.shape[1]):
                value = values[:, channel]
                if channel < 2:
                    first = 2 + 2 * channel
                    value = value + values[:, first] * x + values[:, first + 1] * y
                sums[channel] += np.bincount(index, weight * value, cells)
    mean = sums / np.maximum(total, 1e-12)
    grid = mean.reshape(-1, height + 2, wide)[:, 1:-1, 1:-1]
    return (
        np.moveaxis(grid, 0, -1).astype(np.float32),
        total.reshape(height + 2, wide)[1:-1, 1:-1],
    )


def _nodes(places: Array) -> tuple[Array, Lines, Lines]:
    """``places`` in every :data:`STEP`-th row and column and the last ones, and which those are."""
    rows, columns = (
        np.unique(np.append(np.arange(0, length, STEP), length - 1)) for length in places.shape[:2]
    )
    return places[np.ix_(rows, columns)], rows, columns


def _slopes(places: Array, rows: Lines, columns: Lines) -> tuple[Array, Array]:
    """Derivatives of ``places`` by x and by y of the sheet, each (h, w, 2)."""
    right = np.broadcast_to(np.array([1.0, 0.0], np.float32), places.shape)
    down = np.broadcast_to(np.array([0.0, 1.0], np.float32), places.shape)
    if len(columns) > 1:
        right = np.gradient(places, columns.astype(np.float32), axis=1)
    if len(rows) > 1:
        down = np.gradient(places, rows.astype(np.float32), axis=0)
    return right, down


def _inverse(right: Array, down: Array) -> Array:
    """The inverse of the matrix with these columns, (h, w, 4) row by row; bounded."""
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    area = np.where(np.abs(area) < AREA, np.copysign(AREA, area), area)
    rows = (down[..., 1], -down[..., 0], -right[..., 1], right[..., 0])
    return np.clip(np.stack([row / area for row in rows], axis=-1), -8.0, 8.0)
