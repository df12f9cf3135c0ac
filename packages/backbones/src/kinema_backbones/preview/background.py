"""The photo without what moves over it: filled, continued beyond its sides, and warped."""

from __future__ import annotations

import math

import cv2
import numpy as np

from kinema_backbones.preview.box import Box, box_of
from kinema_backbones.preview.extension import Extension, padded
from kinema_backbones.preview.inversion import is_smooth, sighted
from kinema_backbones.preview.plate import filled_plate
from kinema_backbones.preview.pyramid import Array, Mask, push_pull
from kinema_backbones.preview.sampling import sharp
from kinema_backbones.preview.underlay import Underlay

#: How far the photo is continued beyond a side at most, as a share of its width or height.
FARTHEST = 0.5

#: Pixels of motion up to which a pixel shows the photo's own, exactly.
STILL = 1 / 64

Sides = tuple[int, int, int, int]


class Background:
    """Layer 0.

    Args:
        photo: ``(H, W, 3)``.
        maps: ``(T, 4, H, W)``.
        own: ``(H, W)``, the pixels of the photo that show the background.
        uncovered: ``(H, W)``, pixels of regions that move away from it.
    """

    def __init__(self, photo: Array, maps: Array, own: Mask, uncovered: Mask) -> None:
        self._photo = photo
        self._plate = filled_plate(photo, own, uncovered)
        self._area: Box | None = None
        self._underlay: Underlay | None = None
        moves = np.zeros_like(own)
        for field in maps:
            moves |= (field[:2] != 0).any(axis=0)
        moves &= own
        if not moves.any():
            return
        self._area = _area(maps, moves)
        self._extended = Extension(self._area.of(own), smooth=True)
        self._sides = _needed_sides(maps, own)
        self._colour = _continued(self._area.of(self._plate), self._sides)
        for field in (maps[-1], maps[len(maps) // 2]):
            places = self._surface(field)[0]
            if not is_smooth(places):
                self._underlay = Underlay(self._colour, places, self._surface(maps[0])[1])
                break

    def moves(self, maps: Array, own: Mask) -> bool:
        """Whether anything of it moves in this frame."""
        return self._area is not None and bool((maps[:2, own] != 0).any())

    def draw(self, canvas: Array, maps: Array, uncovered: Mask, moves: bool) -> None:
        """Draw it onto ``canvas`` (H, W, 3), moved by ``maps`` (4, H, W) of one frame.

        ``uncovered`` are the pixels of regions that have moved in this frame.
        """
        canvas[:] = self._photo
        canvas[uncovered] = self._plate[uncovered]
        if self._area is None or not moves:
            return
        places, depth = self._surface(maps)
        sight = sighted(places, depth, self._area)
        part = self._area.of(canvas)
        sides = np.array(self._sides[:2], np.float32)
        still = (np.abs(sight.source - sides - _own_grid(self._area)) < STILL).all(-1)
        seen = sharp(self._colour, sight.source)
        known = sight.covered
        if self._underlay is not None and not known.all():
            below = self._underlay.sight(places, depth, self._area)
            lower = below.covered & ~known
            seen[lower] = sharp(self._underlay.colour, below.source)[lower]
            known = known | lower
        if not known.all() and known.any():
            seen = push_pull(seen, known)
        part[~still] = seen[~still]

    def _surface(self, maps: Array) -> tuple[Array, Array]:
        """Where each pixel of the continued sheet lies on the canvas, and its depth."""
        assert self._area is not None
        field = self._extended(self._area.of_maps(maps[:3]))
        places = padded(self._area.grid() + field[..., :2], self._sides)
        left, top, right, bottom = self._sides
        return places, np.pad(field[..., 2], ((top, bottom), (left, right)), mode="edge")


def _own_grid(area: Box) -> Array:
    return Box(0, 0, area.width, area.height).grid()


def _area(maps: Array, moves: Mask) -> Box:
    """The box outside of which nothing of the background ever changes."""
    height, width = moves.shape
    whole = Box(0, 0, width, height)
    area = box_of(moves)
    inner = (
        (area.top > 0, np.s_[..., area.top, area.left : area.right]),
        (area.bottom < height, np.s_[..., area.bottom - 1, area.left : area.right]),
        (area.left > 0, np.s_[..., area.top : area.bottom, area.left]),
        (area.right < width, np.s_[..., area.top : area.bottom, area.right - 1]),
    )
    for is_inside, line in inner:
        if is_inside and np.abs(maps[:, :2][line]).max() > 0.5:
            return whole
    return area


def _needed_sides(maps: Array, own: Mask) -> Sides:
    """Pixels (left, top, right, bottom) of the continued photo that come into view."""
    height, width = own.shape
    across, down = maps[:, 0], maps[:, 1]
    return (
        _needed(across[:, :, 0], across[:, :, min(8, width - 1)], own[:, 0], width),
        _needed(down[:, 0], down[:, min(8, height - 1)], own[0], height),
        _needed(-across[:, :, -1], -across[:, :, -1 - min(8, width - 1)], own[:, -1], width),
        _needed(-down[:, -1], -down[:, -1 - min(8, height - 1)], own[-1], height),
    )


def _needed(gap: Array, inner: Array, own: Mask, length: int) -> int:
    """Pixels of the sheet that fill a ``gap`` (T, L) at a side, at the stretch it has there."""
    stretch = np.clip(1 + (inner - gap) / max(1, min(8, length - 1)), 0.25, 4.0)
    pixels = float((gap / stretch * own).max())
    return min(math.ceil(pixels) + 1, int(length * FARTHEST)) if pixels > STILL else 0


def _continued(plate: Array, sides: Sides) -> Array:
    left, top, right, bottom = sides
    return np.asarray(cv2.copyMakeBorder(plate, top, bottom, left, right, cv2.BORDER_REFLECT_101))
