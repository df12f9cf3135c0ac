"""Which point of a sheet is seen in each pixel: displacement fields turned around."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.box import Box
from kinema_backbones.preview.points import invert_torn, splat
from kinema_backbones.preview.pyramid import Array, push_pull
from kinema_backbones.preview.sampling import linear
from kinema_backbones.preview.sight import Sight, inverse_slopes

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


def is_smooth(moved: Array) -> bool:
    """Whether a field ``moved`` (h, w, 2) neither tears nor folds, seen every :data:`STEP` pixels.

    It says by how much each pixel of the sheet is displaced.
    """
    nodes, rows, columns = _nodes(moved)
    right, down = _slopes(nodes, rows, columns)
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    longest = max(np.square(right).sum(-1).max(), np.square(down).sum(-1).max())
    return bool(longest < STRETCH**2 and area.min() > AREA)


class Sights:
    """What a sheet shows in a box, inverted the way its field allows, part after part.

    Args:
        moved: ``(h, w, 2)``, by how much each pixel of the sheet is displaced.
        origin: (x, y) on the canvas of the sheet's first pixel.
        depth: gives ``(h, w)``, asked only where the field is not smooth; zero or less is behind
            the camera.
        box: the pixels of the canvas that may be asked for.
    """

    def __init__(
        self, moved: Array, origin: tuple[float, float], depth: Callable[[], Array], box: Box
    ) -> None:
        self._box = box
        self._inverse: Inverse | None = None
        self._torn: Sight | None = None
        if is_smooth(moved):
            self._inverse = Inverse(moved, origin, box)
        else:
            self._torn = invert_torn(moved, origin, depth(), box)

    def of(self, part: Box) -> Sight:
        """What is seen in a part of the box."""
        if self._inverse is not None:
            return self._inverse.sight(part)
        assert self._torn is not None
        own = part.within(self._box)
        return Sight(own.of(self._torn.source), own.of(self._torn.covered))


class Inverse:
    """A field that :func:`is_smooth`: a guess on a coarse grid, then Newton's corrections.

    Args:
        moved, origin: see :class:`Sights`.
        box: the pixels of the canvas that may be asked for.
    """

    def __init__(self, moved: Array, origin: tuple[float, float], box: Box) -> None:
        self._moved = np.ascontiguousarray(moved)
        self._origin = np.array(origin, np.float32)
        self._box = box
        nodes, rows, columns = _nodes(moved)
        own = np.stack(np.broadcast_arrays(columns[None, :], rows[:, None]), axis=-1)
        inverse = inverse_slopes(*_slopes(nodes, rows, columns))
        size = (-(-box.height // STEP) + 2, -(-box.width // STEP) + 2)
        corner = np.array([box.left, box.top], np.float32) - self._origin
        at = (nodes + own - corner) / np.float32(STEP) + np.float32(0.5)
        coarse, weight = splat(
            at.reshape(-1, 2),
            own.reshape(-1, 2).astype(np.float32),
            inverse.reshape(-1, 4),
            STEP,
            size,
        )
        if (weight > 1e-4).any():
            coarse = push_pull(coarse, weight > 1e-4)
        self._guess = np.ascontiguousarray(coarse, np.float32)
        parts = [np.gradient(part, STEP) for part in (coarse[..., 0], coarse[..., 1])]
        slopes = np.stack([part[axis] for part in parts for axis in (1, 0)], axis=-1)
        self._slopes = np.ascontiguousarray(slopes, np.float32)

    def sight(self, part: Box) -> Sight:
        """What the sheet shows in a part of the box."""
        guess, slope = (self._between(coarse, part) for coarse in (self._guess, self._slopes))
        target = part.grid() - self._origin
        for _ in range(CORRECTIONS):
            error = target - guess - linear(self._moved, guess)
            guess[..., 0] += slope[..., 0] * error[..., 0] + slope[..., 1] * error[..., 1]
            guess[..., 1] += slope[..., 2] * error[..., 0] + slope[..., 3] * error[..., 1]
        height, width = self._moved.shape[:2]
        x, y = guess[..., 0], guess[..., 1]
        covered = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        covered &= (np.abs(error[..., 0]) < ASTRAY) & (np.abs(error[..., 1]) < ASTRAY)
        return Sight(guess, covered)

    def _between(self, coarse: Array, part: Box) -> Array:
        """A map of nodes every :data:`STEP` pixels of the box, at every pixel of ``part``."""
        right, down = part.left - self._box.left, part.top - self._box.top
        shift = np.array([[1, 0, right + STEP / 2], [0, 1, down + STEP / 2]], np.float32) / STEP
        fine = cv2.warpAffine(
            coarse,
            shift,
            (part.width, part.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(fine, dtype=np.float32)


def _nodes(moved: Array) -> tuple[Array, Lines, Lines]:
    """``moved`` in every :data:`STEP`-th row and column and the last ones, and which those are."""
    rows, columns = (
        np.unique(np.append(np.arange(0, length, STEP), length - 1)) for length in moved.shape[:2]
    )
    return moved[np.ix_(rows, columns)], rows, columns


def _slopes(moved: Array, rows: Lines, columns: Lines) -> tuple[Array, Array]:
    """Derivatives of the places by x and by y of the sheet, each (h, w, 2)."""
    right = np.broadcast_to(np.array([1.0, 0.0], np.float32), moved.shape)
    down = np.broadcast_to(np.array([0.0, 1.0], np.float32), moved.shape)
    if len(columns) > 1:
        right = right + np.gradient(moved, columns.astype(np.float32), axis=1)
    if len(rows) > 1:
        down = down + np.gradient(moved, rows.astype(np.float32), axis=0)
    return right, down
