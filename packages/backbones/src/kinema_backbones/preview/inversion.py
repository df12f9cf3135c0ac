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

#: Corrections after the first guess; the second usually leaves less than a hundredth of a pixel.
CORRECTIONS = 3

#: Pixels of error before the last correction from which a pixel shows nothing of the sheet: there
#: is no point that would come to lie there, and Newton's method wandered off.
ASTRAY = 1.0

#: Neighbours that part by more than this many pixels are not one surface.
TEAR = 3.0

#: Central difference, and the derivative of the coordinates of a pixel that stays.
_ACROSS = np.array([[-0.5, 0.0, 0.5]], np.float32)
UNMOVED = (1.0, 0.0, 0.0, 1.0)

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
        error = target - guess - linear(offset, guess)
        guess[..., 0] += slope[..., 0] * error[..., 0] + slope[..., 1] * error[..., 1]
        guess[..., 1] += slope[..., 2] * error[..., 0] + slope[..., 3] * error[..., 1]
    height, width = places.shape[:2]
    x, y = guess[..., 0], guess[..., 1]
    covered = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    covered &= (np.abs(error[..., 0]) < ASTRAY) & (np.abs(error[..., 1]) < ASTRAY)
    return Sight(guess, covered)


def _coarse_guess(places: Array, box: Box) -> tuple[Array, Array]:
    """The inverse ``(h, w, 2)`` and its derivative ``(h, w, 4)``, rows of a 2 x 2 matrix."""
    nodes, rows, columns = _nodes(places)
    own = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)
    inverse = _inverse(*_slopes(nodes, rows, columns))
    size = (-(-box.height // STEP) + 2, -(-box.width // STEP) + 2)
    corner = np.array([box.left, box.top], np.float32)
    at = (nodes - corner) / np.float32(STEP) + np.float32(0.5)
    coarse, weight = splat(
        at.reshape(-1, 2),
        own.reshape(-1, 2).astype(np.float32),
        inverse.reshape(-1, 4),
        STEP,
        size,
    )
    if (weight > 1e-4).any():
        coarse = push_pull(coarse, weight > 1e-4)
    parts = [np.gradient(part, STEP) for part in (coarse[..., 0], coarse[..., 1])]
    slopes = np.stack([part[axis] for part in parts for axis in (1, 0)], axis=-1)
    return _between(coarse, box), _between(slopes.astype(np.float32), box)


def _between(coarse: Array, box: Box) -> Array:
    """A map of nodes every :data:`STEP` pixels, at every pixel of ``box``."""
    shift = np.array([[1 / STEP, 0, 0.5], [0, 1 / STEP, 0.5]], np.float32)
    fine = cv2.warpAffine(
        np.ascontiguousarray(coarse, dtype=np.float32),
        shift,
        (box.width, box.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(fine, dtype=np.float32)


def invert_torn(places: Array, depth: Array, box: Box) -> Sight:
    """Invert a field with occlusions and gaps: every point is splatted, near ones hide far ones.

    Args:
        places: ``(h, w, 2)`` where each pixel of the sheet lies on the canvas.
        depth: ``(h, w)``; zero or less is behind the camera.
        box: the pixels of the canvas that are asked for.
    """
    tears = Tears.of(places, depth)
    across, down = (cv2.filter2D(places, -1, kernel) for kernel in (_ACROSS, _ACROSS.T))
    slopes = _inverse(np.asarray(across, np.float32), np.asarray(down, np.float32))
    slopes[tears.near | tears.far] = UNMOVED
    near = np.where(depth > 0, 1.0 / np.maximum(depth, 1e-6), 0.0).astype(np.float32)
    index = np.flatnonzero(~(tears.far | tears.loose))
    return invert_points(
        index,
        places.shape[1],
        places.reshape(-1, 2)[index],
        near.ravel()[index],
        _tolerance(near).ravel()[index],
        slopes.reshape(-1, 4)[index],
        box,
    )


def invert_points(
    index: Lines,
    width: int,
    places: Array,
    near: Array,
    tolerance: Array,
    slopes: Array,
    box: Box,
) -> Sight:
    """What single pixels of a sheet show in ``box``.

    Args:
        index: ``(M,)`` flat indices of the pixels on the sheet.
        width: of the sheet.
        places: ``(M, 2)`` where they lie on the canvas.
        near: ``(M,)`` their inverse depth; zero is behind the camera.
        tolerance: ``(M,)`` how much nearer a pixel of the same surface may be.
        slopes: ``(M, 4)`` derivative of the pixel's coordinates by its place, row by row.
        box: the pixels of the canvas that are asked for.
    """
    at = places - np.array([box.left, box.top], np.float32)
    x, y = at[:, 0], at[:, 1]
    inside = (near > 0) & (x > -1) & (y > -1) & (x < box.width) & (y < box.height)
    kept = np.flatnonzero(inside)
    size = (box.height, box.width)
    kept = kept[_in_front(at[kept], near[kept], tolerance[kept], size)]
    own = np.stack([index[kept] % width, index[kept] // width], axis=-1).astype(np.float32)
    source, weight = splat(at[kept], own, slopes[kept], 1.0, size)
    return _closed(source, weight > 0.02)


@attrs.frozen(eq=False)
class Tears:
    """Where a sheet parts by more than :data:`TEAR`, each ``(h, w)``.

    Attributes:
        near: pixels in front of a tear.
        far: pixels behind a tear, which are often mixed with what is in front.
        loose: pixels torn from both sides, an artefact of blurred depth.
        beyond: at near pixels, the inverse depth of what is behind; infinite elsewhere.
        width: at near pixels, how many pixels the tear is wide; 0 elsewhere.
    """

    near: Mask
    far: Mask
    loose: Mask
    beyond: Array
    width: Array

    @classmethod
    def of(cls, places: Array, depth: Array) -> Tears:
        """The tears of ``places`` (h, w, 2), told apart by ``depth`` (h, w)."""
        near, far = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
        loose = np.zeros(depth.shape, bool)
        beyond = np.full(depth.shape, np.inf, np.float32)
        width = np.zeros(depth.shape, np.float32)
        for first, second, middle in _PAIRS:
            step = places[second] - places[first]
            gap = step[..., 0] ** 2 + step[..., 1] ** 2
            torn = gap > TEAR**2
            before = torn[first] & torn[second]
            loose[middle] |= before
            for here, there in ((first, second), (second, first)):
                ahead = torn & (depth[here] < depth[there])
                near[here] |= ahead
                width[here] = np.maximum(width[here], np.sqrt(gap) * ahead)
                far[there] |= ahead
                behind = np.where(ahead, 1.0 / np.maximum(depth[there], 1e-6), np.inf)
                beyond[here] = np.minimum(beyond[here], behind)
        return cls(near, far, loose, beyond, width)


_ALL, _BUT_LAST, _BUT_FIRST, _INNER = slice(None), slice(None, -1), slice(1, None), slice(1, -1)

#: Left and right neighbours, then upper and lower ones; and the pixels that have both.
_PAIRS = (
    ((_ALL, _BUT_LAST), (_ALL, _BUT_FIRST), (_ALL, _INNER)),
    ((_BUT_LAST, _ALL), (_BUT_FIRST, _ALL), (_INNER, _ALL)),
)


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
    at: Array, own: Array, slopes: Array, step: float, size: tuple[int, int]
) -> tuple[Array, Array]:
    """Spread points over the four pixels around each, and average what they predict for it.

    Args:
        at: ``(M, 2)`` places in pixels of the result.
        own: ``(M, 2)`` coordinates on the sheet.
        slopes: ``(M, 4)`` their derivative by the place, a 2 x 2 matrix row by row.
        step: units of that derivative in a pixel of the result.
        size: (height, width) of the result.

    Returns:
        The sheet's coordinates ``(height, width, 2)``, and their weight ``(height, width)``,
        0 where nothing fell.
    """
    height, width = size
    x, y = at[:, 0], at[:, 1]
    inside = np.flatnonzero((x > -1) & (y > -1) & (x < width) & (y < height))
    x, y, own, slopes = x[inside], y[inside], own[inside], slopes[inside]
    column, row = np.floor(x), np.floor(y)
    x, y = x - column, y - row
    # One pixel of border catches what falls half outside.
    wide = width + 2
    base = (row.astype(np.int64) + 1) * wide + column.astype(np.int64) + 1
    cells = (height + 2) * wide
    total, sums = np.zeros(cells), [np.zeros(cells), np.zeros(cells)]
    for down in (0, 1):
        for right in (0, 1):
            dx, dy = right - x, down - y
            weight = (1 - np.abs(dx)) * (1 - np.abs(dy))
            index = base + (down * wide + right)
            total += np.bincount(index, weight, cells)
            dx, dy = dx * np.float32(step), dy * np.float32(step)
            for axis in (0, 1):
                value = own[:, axis] + slopes[:, 2 * axis] * dx + slopes[:, 2 * axis + 1] * dy
                sums[axis] += np.bincount(index, weight * value, cells)
    grids = [(part / np.maximum(total, 1e-12)).reshape(-1, wide)[1:-1, 1:-1] for part in sums]
    weights = total.reshape(-1, wide)[1:-1, 1:-1]
    return np.stack(grids, axis=-1).astype(np.float32), weights.astype(np.float32)


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
