"""The photo, the depth and the clip that the suites of a plugin look at."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.interfaces import DepthMap, Scene
from kinema.signals import Observation


def textured(height: int, width: int) -> Tensor:
    """A textured photo ``(3, H, W)`` in [0, 1], the same at every call."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x * a / 7 + y * b / 5) for a, b in ((1.0, 0.3), (0.4, 1.0), (0.9, 0.8))]
    return torch.stack(waves) * 0.4 + 0.5


def flat_depth() -> DepthMap:
    """A wall two metres away, for 96x64 photos."""
    return DepthMap(depth=torch.full((64, 96), 2.0), metric=True, source="test wall")


def scenes(frames: int = 5) -> list[Scene]:
    """The scene of one video of 96x64: a textured photo, a wall as depth."""
    return [Scene(frames=frames, image=textured(64, 96), depth=flat_depth)]


def moving_square() -> Observation:
    """Six frames of 96x64: a square moves right by 2 px a frame, and its left edge is covered."""
    displacement = torch.zeros(6, 64, 96, 2)
    visible = torch.ones(6, 64, 96, dtype=torch.bool)
    for frame in range(6):
        displacement[frame, 16:48, 24:64, 0] = 2.0 * frame
        visible[frame, 16:48, 24:28] = frame < 3
    return Observation(displacement=displacement, visible=visible)
