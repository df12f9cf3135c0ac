"""Sheets that tear: each of their pixels is a point, and near ones hide far ones."""

from __future__ import annotations

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.pyramid import Array, Mask
from kinema_backbones.preview.sight import Sight, inverse_slopes

Lines = NDArray[np.int64]

#: Neighbours that part by more than this many pixels are not one surface.
TEAR = 3.0

#: The derivative of the coordinates of a pixel that stays.
UNMOVED = (1.0, 0.0, 0.0, 1.0)

#: How much nearer, in shares of the inverse depth, a surface must be to hide another.
HIDES = 0.02

#: How much what goes right counts as having come further, as a share of the way; half that down.
AHEAD = 0.25

#: Pixels of a sheet that are not seen beside each other, if it is one surface.
APART = 2.0


@attrs.frozen(eq=False)
class Points:
    """Pixels of a sheet as they lie on the canvas.

    Attributes:
        index: ``(M,)`` flat indices of the pixels on the sheet.
        width: of the sheet.
        places: ``(M, 2)`` where they lie on the canvas.
        near: ``(M,)`` their inverse depth; zero is behind the camera.
        tolerance: ``(M,)`` how much nearer a pixel of the same surface may be.
        slopes: ``(M, 4)`` derivative of the pixel's coordinates by its place, row by row.
        nearness: ``(h, w)`` inverse depth of the whole sheet.
    """

    index: Lines
    width: int
    places: Array
    near: Array
    tolerance: Array
    slopes: Array
    nearness: Array

    @classmethod
    def of(
        cls, index: Lines, moved: Array, origin: tuple[float, float], depth: Array, torn: Mask
    ) -> Points:
        """Those of a sheet at ``index`` (M,).

        Args:
            index: flat indices.
            moved: ``(h, w, 2)``, by how much each pixel is displaced.
            origin: (x, y) on the canvas of the sheet's first pixel.
            depth: ``(h, w)``.
            torn: ``(h, w)``, pixels whose neighbours say nothing about them.
        """
        height, width = depth.shape
        rows, columns = index // width, index % width
        places = moved.reshape(-1, 2)[index] + np.array(origin, np.float32)
        places[:, 0] += columns
        places[:, 1] += rows
        near = _near(depth)
        steep = np.zeros_like(near)
        steep[:, 1:] += np.abs(np.diff(near, axis=1))
        steep[1:] += np.abs(np.diff(near, axis=0))
        own = near.ravel()[index]
        tolerance = HIDES * own + np.minimum(steep.ravel()[index], 2 * HIDES * own)
        before = (rows, np.maximum(columns - 1, 0)), (np.maximum(rows - 1, 0), columns)
        after = (
            (rows, np.minimum(columns + 1, width - 1)),
            (np.minimum(rows + 1, height - 1), columns),
        )
        right, down = (
            (moved[second] - moved[first]) * np.float32(0.5)
            for first, second in zip(before, after, strict=True)
        )
        right[:, 0] += 1
        down[:, 1] += 1
        slopes = inverse_slopes(right, down)
        slopes[torn.ravel()[index]] = UNMOVED
        return cls(index, width, places, own, tolerance.astype(np.float32), slopes, near)

    def front(self, box: Box) -> Array:
        """The greatest inverse depth of them in each pixel of ``box``, (height, width)."""
        at, kept = self._inside(box)
        return _front(at[kept], self.near[kept], (box.height, box.width))

    def sight(self, box: Box, front: Array | None = None) -> tuple[Sight, Array]:
        """What they show in ``box``, and how much of them falls there, (height, width).

        What is behind ``front`` (height, width) is hidden; unless given, their own.
        """
        at, kept = self._inside(box)
        size = (box.height, box.width)
        if front is None:
            front = _front(at[kept], self.near[kept], size)
        cell = _cells(at[kept], size)
        kept = kept[self.near[kept] >= front.ravel()[cell] - self.tolerance[kept]]
        index = self.index[kept]
        own = np.stack([index % self.width, index // self.width], axis=-1).astype(np.float32)
        source, weight = splat(at[kept], own, self.slopes[kept], 1.0, size)
        return closed(source, weight > 0.02), weight

    def _inside(self, box: Box) -> tuple[Array, Lines]:
        at = self.places - np.array([box.left, box.top], np.float32)
        x, y = at[:, 0], at[:, 1]
        inside = (self.near > 0) & (x > -1) & (y > -1) & (x < box.width) & (y < box.height)
        return at, np.flatnonzero(inside)


def invert_torn(moved: Array, origin: tuple[float, float], depth: Array, box: Box) -> Sight:
    """What a sheet with occlusions and gaps shows in ``box``.

    Where it folds and its depth is the same everywhere, what has come further is in front.

    Args:
        moved: ``(h, w, 2)``, by how much each pixel is displaced.
        origin: (x, y) on the canvas of the sheet's first pixel.
        depth: ``(h, w)``; zero or less is behind the camera.
        box: the pixels of the canvas that are asked for.
    """
    tears = Tears.of(moved, depth)
    index = np.flatnonzero(~(tears.far | tears.loose))
    if 0 < depth.min() == depth.max():
        depth = _passing(moved)
    return Points.of(index, moved, origin, depth, tears.any).sight(box)[0]


def _passing(moved: Array) -> Array:
    """Depth (h, w) that lets what was dragged pass over what it meets.

    It is the nearer the further it has come. Of two things that have come as far, the one that
    went right or down is in front, so that they do not mix where they meet.
    """
    far = np.sqrt(np.square(moved).sum(-1)) + AHEAD * moved[..., 0] + AHEAD / 2 * moved[..., 1]
    return np.asarray(1.0 / (1.0 + far), np.float32)


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
    def of(cls, moved: Array, depth: Array) -> Tears:
        """The tears of a field ``moved`` (h, w, 2), told apart by ``depth`` (h, w)."""
        near, far = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
        loose = np.zeros(depth.shape, bool)
        beyond = np.full(depth.shape, np.inf, np.float32)
        width = np.zeros(depth.shape, np.float32)
        for first, second, middle in _PAIRS:
            step = moved[second] - moved[first]
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

    @property
    def any(self) -> Mask:
        """All pixels beside a tear."""
        return self.near | self.far | self.loose


_ALL, _BUT_LAST, _BUT_FIRST, _INNER = slice(None), slice(None, -1), slice(1, None), slice(1, -1)

#: Left and right neighbours, then upper and lower ones; and the pixels that have both.
_PAIRS = (
    ((_ALL, _BUT_LAST), (_ALL, _BUT_FIRST), (_ALL, _INNER)),
    ((_BUT_LAST, _ALL), (_BUT_FIRST, _ALL), (_INNER, _ALL)),
)


def _near(depth: Array) -> Array:
    return np.where(depth > 0, 1.0 / np.maximum(depth, 1e-6), 0.0).astype(np.float32)


def _cells(at: Array, size: tuple[int, int]) -> Lines:
    """The flat index of the pixel that each point (M, 2) falls in."""
    height, width = size
    column = np.clip(np.rint(at[:, 0]).astype(np.int64), 0, width - 1)
    row = np.clip(np.rint(at[:, 1]).astype(np.int64), 0, height - 1)
    return np.asarray(row * width + column)


def _front(at: Array, near: Array, size: tuple[int, int]) -> Array:
    """The greatest inverse depth in each pixel."""
    cell = _cells(at, size)
    # Sixteen bits sort by radix, in linear time.
    rank = (near * (65535.0 / max(float(near.max(initial=0.0)), 1e-12))).astype(np.uint16)
    order = np.argsort(rank, kind="stable")
    front = np.zeros(size, np.float32)
    front.reshape(-1)[cell[order]] = near[order]
    # A surface that is drawn larger has cracks of a pixel, which must hide what is behind as well.
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(front, cv2.MORPH_CLOSE, kernel), np.float32)


def closed(source: Array, covered: Mask) -> Sight:
    """Close cracks of a pixel or two with the mean of what is around them.

    Where two surfaces meet, that would be a third thing: one of them goes on.
    """
    kernel = np.ones((3, 3), np.uint8)
    whole = cv2.morphologyEx(covered.astype(np.uint8), cv2.MORPH_CLOSE, kernel) > 0
    cracks = whole & ~covered
    if cracks.any():
        flat = source.reshape(-1, 2)
        weight = covered.astype(np.float32)
        total = cv2.blur(source * weight[..., None], (3, 3))
        mean = total / np.maximum(cv2.blur(weight, (3, 3)), 1e-6)[..., None]
        beside = flat[nearest(covered)].reshape(source.shape)
        apart = np.square(mean - beside).sum(-1) > APART**2
        closing = np.where(apart[..., None], beside, mean)
        source = np.where(cracks[..., None], closing, source).astype(np.float32)
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
