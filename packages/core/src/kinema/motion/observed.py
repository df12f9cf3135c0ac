"""From what a clip shows to the Motion that a person would have drawn for it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from kinema.errors import MotionError
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.signals import Observation

#: A pixel moves if its distance from its start, as a mean over all frames, is above this.
MOVING = 1.0

#: A dragged point is no nearer to what moves otherwise than this many pixels of 320.
_REACH = 10
_SHORT_SIDE = 320


def motion_of(
    observation: Observation, generator: torch.Generator, drags: int = 1, fps: float = 8.0
) -> Motion:
    """Drags along the paths of moving points, and the region of all that moves.

    The points are drawn among those that stay visible and away from what moves otherwise, the more
    likely the farther they go, and apart from one another where there is room.

    Args:
        observation: of a clip of T frames, ``(T, H, W, 2)``; the canvas is its size.
        generator: where all chance comes from.
        drags: how many, at most.
        fps: frames per second of the clip.

    Raises:
        MotionError: nothing moves by more than a pixel and stays visible.
    """
    frames, height, width, _ = observation.displacement.shape
    length = observation.displacement.norm(dim=-1).mean(0)
    moving = length > MOVING
    chosen = _points(observation, length, drags, generator)
    if not chosen:
        raise MotionError(
            f"Nothing in this clip of {width}x{height} moves by more than {MOVING:g} pixel and "
            "stays visible, so there is nothing to drag."
        )
    paths = [
        [(x + dx, y + dy) for dx, dy in observation.displacement[:, y, x].tolist()]
        for x, y in chosen
    ]
    return Motion(
        canvas=(width, height),
        drags=[Drag(path) for path in paths],
        regions=[Region.from_array(moving.cpu().numpy())],
        fps=fps,
        duration=frames / fps,
    )


def _points(
    observation: Observation, length: Tensor, count: int, generator: torch.Generator
) -> list[tuple[int, int]]:
    """Up to ``count`` pixels (x, y)."""
    last = observation.displacement[-1]
    height, width = length.shape
    reach = max(2, round(_REACH * min(height, width) / _SHORT_SIDE))
    seen = observation.visible.all(0) & (length > MOVING)
    calm = seen & (_spread(last, reach) < 0.2 * last.norm(dim=-1) + 0.5)
    free = calm if bool(calm.any()) else seen
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    chosen: list[tuple[int, int]] = []
    apart = free.cpu().clone()
    while len(chosen) < count and bool(apart.any()):
        weights = (length.cpu() * apart).flatten().double()
        index = int(torch.multinomial(weights, 1, generator=generator))
        chosen.append((index % width, index // width))
        away = ((x - chosen[-1][0]) ** 2 + (y - chosen[-1][1]) ** 2).sqrt()
        apart &= away > min(height, width) / 8
    return chosen


def _spread(displacement: Tensor, reach: int) -> Tensor:
    """How much the displacement ``(H, W, 2)`` varies within ``reach`` pixels, ``(H, W)``."""
    maps = displacement.permute(2, 0, 1)[None]
    side = 2 * reach + 1
    highest = F.max_pool2d(maps, side, 1, reach)
    lowest = -F.max_pool2d(-maps, side, 1, reach)
    spread: Tensor = (highest - lowest)[0].norm(dim=0)
    return spread
