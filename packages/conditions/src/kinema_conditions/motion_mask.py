"""The condition ``motion-mask``: which pixels move at all (MotionPro)."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.configs import MotionMaskConfig
from kinema_conditions.rasterize import (
    block_union,
    check_scene,
    fill_blocks,
    point_paths,
    refuse_vanishing,
    region_union,
    signal_device,
)


class MotionMask:
    """1 where the photo may move, 0 where it should rest, the same in every frame.

    Channel mask.
    """

    channels = ("mask",)

    def __init__(self, config: MotionMaskConfig) -> None:
        self.config = config

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """The brushed regions united with the drags' blocks; all ones for a camera path.

        A block joins the mask if its point is seen in any later frame, so a drag that comes back to
        its start keeps it. ``published`` takes only pixels that move in the last frame. With
        ``all_ones`` it is every pixel.

        Returns:
            maps ``(T, 1, H, W)`` float32 of 0 and 1.

        Raises:
            MotionError: a region's mask cannot be read or has another size than the canvas, or the
                photo has.
        """
        refuse_vanishing(motion, "motion-mask")
        motion = motion.written_out(scene.frames, self.config.interpolation)
        check_scene(motion, scene)
        width, height = motion.canvas
        device = signal_device(scene)
        if self.config.all_ones or motion.camera is not None:
            mask = torch.ones(height, width)
        else:
            mask = (region_union(motion) | self._moving(motion, scene)).float()
        return self._signal(mask.to(device), scene.frames)

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """Pixels whose displacement is longer than ``threshold`` pixels, as a mean over all frames.

        ``published`` compares the mean of the squared lengths instead, ``all_ones`` takes every
        pixel. Nothing is random.

        Returns:
            maps ``(T, 1, H, W)`` float32 of 0 and 1.
        """
        squared = observation.displacement.square().sum(-1)
        lengths = squared if self.config.published else squared.sqrt()
        mask = lengths.mean(0) > self.config.threshold
        if self.config.all_ones:
            mask = torch.ones_like(mask)
        return self._signal(mask.float(), len(squared))

    def _moving(self, motion: Motion, scene: Scene) -> Tensor:
        width, height = motion.canvas
        paths = point_paths(motion, scene.frames, self.config.interpolation)
        if not self.config.published:
            return block_union(paths, self.config.k, motion.canvas)
        maps = torch.zeros(scene.frames, 2, height, width)
        return fill_blocks(maps, paths, paths.displacement, self.config.k)[-1].ne(0).any(0)

    def _signal(self, mask: Tensor, frames: int) -> MotionSignal:
        maps = mask.repeat(frames, 1, 1, 1)
        return MotionSignal(maps=maps, channels=self.channels)
