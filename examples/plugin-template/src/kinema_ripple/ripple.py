# --8<-- [start:imports]
"""The condition ``ripple``: rings that run outward from each drag.

Shape legend: ``T`` frames, ``C`` channels, ``H W`` pixels.
"""

from __future__ import annotations

import math

import torch
from kinema import Motion, MotionError, MotionSignal, Observation
from kinema.interfaces import Scene
from torch import Tensor

from kinema_ripple.config import RippleConfig

# --8<-- [end:imports]


# --8<-- [start:radius]
def offsets(x: float, y: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Directions ``(2, H, W)`` away from (x, y), and distances ``(H, W)`` in pixels."""
    across = torch.arange(width) - x
    down = torch.arange(height) - y
    away = torch.stack(
        [across.expand(height, width), down[:, None].expand(height, width)]
    )
    radius = away.norm(dim=0)
    return away / radius.clamp(min=1.0), radius


# --8<-- [end:radius]


# --8<-- [start:class]
class Ripple:
    """Channels dx, dy: displacement in pixels from frame 0, x right, y down."""

    channels = ("dx", "dy")

    def __init__(self, config: RippleConfig) -> None:
        self.config = config

    # --8<-- [end:class]

    # --8<-- [start:from-motion]
    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """The rings of all drags, added up, inside the regions if there are any.

        A ring starts where its drag is, and an anchor sends rings from where it stands.

        Returns:
            maps ``(T, 2, H, W)`` float32.

        Raises:
            MotionError: the Motion has a camera path or tracks; rings cannot say those.
        """
        if motion.camera is not None or motion.tracks is not None:
            raise MotionError(
                "ripple makes rings from drags and cannot express a camera path or "
                "tracks. Remove them from the Motion, or use another condition."
            )
        width, height = motion.canvas
        maps = torch.zeros(scene.frames, 2, height, width)
        for drag in motion.drags:
            for frame, (x, y) in enumerate(drag.path(scene.frames).tolist()):
                away, radius = offsets(x, y, height, width)
                front = self.config.rings * frame / (scene.frames - 1)
                behind = (front - radius / self.config.wavelength).clamp(min=0.0)
                wave = torch.sin(2 * math.pi * behind) * behind.clamp(max=1.0)
                maps[frame] += self.config.height * wave * away
        if motion.regions:
            masks = [
                torch.tensor(region.rasterize(motion.canvas))
                for region in motion.regions
            ]
            maps *= torch.stack(masks).any(dim=0)
        return MotionSignal(maps=maps, channels=self.channels)

    # --8<-- [end:from-motion]

    # --8<-- [start:from-observation]
    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """What is ring-like in the real motion around one random point.

        The motion away from that point is averaged over each ring of one pixel, so
        the signal has the form of a ripple and the content of the clip. Pixels that
        are hidden do not count.

        Returns:
            maps ``(T, 2, H, W)`` float32.
        """
        frames, height, width = observation.visible.shape
        x, y = torch.rand(2, generator=generator).tolist()
        away, radius = offsets(x * (width - 1), y * (height - 1), height, width)
        ring = radius.long().flatten()
        outward = (observation.displacement.permute(0, 3, 1, 2) * away).sum(dim=1)
        seen = observation.visible.float()
        total = torch.zeros(frames, int(ring.max()) + 1)
        count = torch.zeros_like(total)
        total.index_add_(1, ring, (outward * seen).flatten(1))
        count.index_add_(1, ring, seen.flatten(1))
        mean = (total / count.clamp(min=1.0))[:, ring].view(frames, 1, height, width)
        return MotionSignal(maps=mean * away, channels=self.channels)

    # --8<-- [end:from-observation]
