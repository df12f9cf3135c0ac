"""A photo taken apart into a background and cut-outs, and put together again frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from kinema_backbones.preview.background import Background
from kinema_backbones.preview.cutout import Cutout
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.joint import Attached, Joint, joint
from kinema_backbones.preview.pyramid import Array, Mask

Labels = NDArray[np.int64]

#: Pixels by which a region may part from what is around it and still be one with it.
JOINED = 0.1

#: Every how many pixels the usual slope inside a region is looked at.
SPARSE = 7


class Stage:
    """All that rendering needs and no frame changes.

    Args:
        photo: float32 ``(H, W, 3)``.
        maps: float32 ``(T, 5, H, W)``, a ``layered-motion`` signal.
        feather: pixels over which the edges of regions fade inward, beyond what the photo says.
        attached: whether regions are held by what they touch.
    """

    def __init__(
        self, photo: Array, maps: Array, feather: float = 0.0, attached: Attached = "auto"
    ) -> None:
        self._photo = photo
        self._maps = maps
        layers = np.rint(maps[0, 3]).astype(np.int64)
        stirred = np.stack([(field[:2] != 0).any(axis=0) for field in maps])
        loose = _loose(maps, layers, stirred)
        rest = ~np.isin(layers, loose)
        owns = [layers == number for number in loose]
        moving = [number for number, own in zip(loose, owns, strict=True) if stirred[:, own].any()]
        self._stirs = [_stirs(stirred, mask) for mask in (rest, *owns)]
        covers = _covers(layers, maps[0, 4])
        taken = np.zeros(layers.shape, bool)
        self._cutouts: list[Cutout] = []
        self._held: list[Joint | None] = []
        # From the top down, since what is below shows nothing of what moves away above it.
        for number, own in reversed(list(zip(loose, owns, strict=True))):
            shown = own & ~taken
            hidden = _hidden(layers, number, moving) | (own & taken)
            if not shown.any():
                shown, hidden = own, hidden & ~own
            blocked = (layers > 0) & ~own
            held = joint(photo, maps, own, rest, attached) if number in moving else None
            cutout = Cutout(photo, maps, shown, hidden, covers(number), blocked, held, feather)
            self._held.insert(0, held)
            self._cutouts.insert(0, cutout)
            if number in moving:
                taken |= cutout.stained
        carried = stirred.any(axis=0) & rest
        for held in filter(None, self._held):
            carried.reshape(-1)[held.zone] = True
            rest = rest | held.close
        self._background = Background(photo, maps, rest, taken, carried)

    def frame(self, index: int) -> Array:
        """Frame ``index``, ``(H, W, 3)``."""
        if index == 0:
            return self._photo
        maps = self._maps[index]
        changed, *moved = (stirs[index] for stirs in self._stirs)
        uncovered = np.zeros(self._photo.shape[:2], bool)
        for cutout, has_moved in zip(self._cutouts, moved, strict=True):
            if has_moved:
                uncovered |= cutout.stained
        canvas = self._photo.copy()
        carried = maps
        for held, has_moved in zip(self._held, moved, strict=True):
            if held is not None and has_moved:
                carried, changed = held.carry(carried), True
        self._background.draw(canvas, carried, uncovered, changed)
        for cutout, has_moved in zip(self._cutouts, moved, strict=True):
            if has_moved:
                cutout.draw(canvas, maps)
            elif changed:
                cutout.keep(canvas, self._photo)
            changed |= has_moved
        return canvas


def _stirs(stirred: Mask, mask: Mask) -> list[bool]:
    """Whether anything in ``mask`` (H, W) moves, frame by frame."""
    return [bool((moves & mask).any()) for moves in stirred]


def _loose(maps: Array, layers: Labels, stirred: Mask) -> list[int]:
    """The regions that have to be cut out, lowest first.

    A region that moves as one with what is around it belongs to the background, unless something
    below it moves and might pass under it.
    """
    loose: list[int] = []
    for number in range(1, int(layers.max()) + 1):
        mask = layers == number
        passing = bool(stirred[:, np.isin(layers, loose)].any())
        if mask.any() and (passing or not _is_joined(maps, mask)):
            loose.append(number)
    return loose


def _is_joined(maps: Array, mask: Mask) -> bool:
    """Whether a region moves as one with what is around it, in every frame."""
    if mask.all():
        return True
    for field in maps[1:]:
        for axis in (0, 1):
            first, second = _neighbours(mask, axis)
            step = np.diff(field[:2], axis=axis + 1)
            size = np.sqrt(np.square(step[:, first != second]).sum(0))
            within = step[:, first & second][:, ::SPARSE]
            usual = np.sqrt(np.square(within).sum(0))
            bound = JOINED + 2 * float(np.median(usual)) if usual.size else JOINED
            if size.size and float(size.max()) > bound:
                return False
    return True


def _neighbours(mask: Mask, axis: int) -> tuple[Mask, Mask]:
    """``mask`` without its last and without its first row (axis 0) or column (axis 1)."""
    if axis == 0:
        return mask[:-1], mask[1:]
    return mask[:, :-1], mask[:, 1:]


def _covers(layers: Labels, cover: Array) -> Callable[[int], Array]:
    """Of each region by its number: its mask (H, W) in grey levels from 0 to 1.

    Where less than half of a pixel is covered it is the fringe of the nearest region, and lies over
    whatever layer is there.
    """
    fringe = (cover > 0) & (cover < 0.5)
    owner = layers
    if fringe.any() and (layers > 0).any():
        owner = np.where(fringe, layers.ravel()[nearest(layers > 0)].reshape(layers.shape), layers)

    def of(number: int) -> Array:
        solid = (layers == number) & (owner != number)
        return np.where(solid, 1.0, np.where(owner == number, cover, 0.0)).astype(np.float32)

    return of


def _hidden(layers: Labels, number: int, moving: list[int]) -> Mask:
    """What a region probably has below higher regions that move: the gap in its convex outline."""
    own = layers == number
    above = np.isin(layers, [other for other in moving if other > number])
    if not above.any():
        return np.zeros_like(own)
    points = np.argwhere(own)[:, ::-1].astype(np.int32)
    hull = np.zeros(own.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return np.asarray((hull > 0) & above)
