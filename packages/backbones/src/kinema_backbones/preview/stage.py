"""A photo taken apart into a background and cut-outs, and put together again frame by frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from kinema_backbones.preview.background import Background
from kinema_backbones.preview.config import Attached
from kinema_backbones.preview.cutout import Cutout
from kinema_backbones.preview.extension import nearest
from kinema_backbones.preview.joint import Joint, joint
from kinema_backbones.preview.pyramid import Array, Mask
from kinema_backbones.preview.survey import Labels, Moves, Survey


class Stage:
    """All that rendering needs and no frame changes.

    Args:
        photo: float32 ``(H, W, 3)``.
        moves: of the ``layered-motion`` signal.
        feather: pixels over which the edges of regions fade inward, beyond what the photo says.
        attached: whether regions are held by what they touch.
        plate: float32 ``(H, W, 3)``, what is behind everything; None fills holes from the photo.
    """

    def __init__(
        self,
        photo: Array,
        moves: Moves,
        feather: float = 0.0,
        attached: Attached = "auto",
        plate: Array | None = None,
    ) -> None:
        self._photo = photo
        self._moves = moves
        survey = Survey(moves)
        layers = survey.layers
        loose = _loose(survey)
        moving = [number for number in loose if survey.stirs[:, number].any()]
        bound = [number for number in range(survey.stirs.shape[1]) if number not in loose]
        self._stirs = [survey.stirs[:, bound].any(1), *survey.stirs[:, loose].T]
        rest = np.isin(layers, bound)
        covers = _covers(layers, survey.cover)
        taken = np.zeros(layers.shape, bool)
        self._cutouts: list[Cutout] = []
        self._held: list[Joint | None] = []
        # From the top down, since what is below shows nothing of what moves away above it.
        for number in reversed(loose):
            own = layers == number
            shown = own & ~taken
            hidden = _hidden(layers, number, moving) | (own & taken)
            if not shown.any():
                shown, hidden = own, hidden & ~own
            held = None
            if number in moving and not survey.gone[:, number].any():
                held = joint(photo, survey.farthest, own, rest, attached)
            blocked = (layers > 0) & ~own
            cutout = Cutout(
                photo, survey.sides, shown, hidden, covers(number), blocked, held, feather
            )
            self._held.insert(0, held)
            self._cutouts.insert(0, cutout)
            if number in moving:
                taken |= cutout.stained
        stirred = survey.stirred & rest
        for held in filter(None, self._held):
            stirred.reshape(-1)[held.zone] = True
            rest = rest | held.close
        self._gone = survey.gone[:, loose]
        self._background = Background(
            photo,
            lambda index: self._carried(index, moves[index]),
            survey,
            rest,
            taken,
            stirred,
            plate,
        )

    def __len__(self) -> int:
        """T."""
        return len(self._moves)

    def _carried(self, index: int, maps: Array) -> Array:
        """The ``maps`` (5, H, W) of a frame, with what goes along at joints."""
        for held, stirs in zip(self._held, self._stirs[1:], strict=True):
            if held is not None and stirs[index]:
                maps = held.carry(maps)
        return maps

    def frame(self, index: int) -> Array:
        """Frame ``index``, ``(H, W, 3)``."""
        gone = self._gone[index]
        if index == 0 and not gone.any():
            return self._photo
        maps = self._moves[index]
        changed, *moved = (stirs[index] for stirs in self._stirs)
        uncovered = np.zeros(self._photo.shape[:2], bool)
        for cutout, has_moved in zip(self._cutouts, moved, strict=True):
            if has_moved:
                uncovered |= cutout.stained
        canvas = self._photo.copy()
        changed = bool(changed) or any(
            held is not None and has_moved
            for held, has_moved in zip(self._held, moved, strict=True)
        )
        self._background.draw(canvas, self._carried(index, maps), uncovered, changed)
        for cutout, has_moved, is_gone in zip(self._cutouts, moved, gone, strict=True):
            if is_gone:
                continue
            if has_moved:
                cutout.draw(canvas, maps)
            elif changed:
                cutout.keep(canvas, self._photo)
            changed |= has_moved
        return canvas


def _loose(survey: Survey) -> list[int]:
    """The regions that have to be cut out, lowest first.

    A region that moves as one with what is around it belongs to the background, unless something
    below it moves and might pass under it.
    """
    loose: list[int] = []
    for number in range(1, survey.stirs.shape[1]):
        passing = bool(survey.stirs[:, loose].any())
        if (passing or not survey.joined[number]) and (survey.layers == number).any():
            loose.append(number)
    return loose


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
