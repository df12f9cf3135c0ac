"""The condition ``dense-trajectory``: where every pixel goes, and whether it is seen there."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.configs import DenseTrajectoryConfig
from kinema_conditions.layered_config import LayeredMotionConfig
from kinema_conditions.layered_motion import LayeredMotion


class DenseTrajectory:
    """The signal of MotionPro-Dense: a displacement for every pixel, and its visibility.

    Channels dx, dy: pixels from frame 0, 0 where the pixel is not seen; visible: 0 or 1.
    """

    channels = ("dx", "dy", "visible")

    def __init__(self, config: DenseTrajectoryConfig) -> None:
        self._layers = LayeredMotion(LayeredMotionConfig(interpolation=config.interpolation))

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """The field of ``layered-motion``: drags, anchors, tracks, regions and camera, everywhere.

        A pixel is visible while it stays on the canvas and before the camera. What moves in front
        of it is not taken into account: nothing in a Motion says how far away that is.

        Returns:
            maps ``(T, 3, H, W)`` float32.

        Raises:
            MotionError: as ``layered-motion`` does.
        """
        field = self._layers.from_motion(motion, scene)
        moved = field.dense()[:, :2]
        width, height = motion.canvas
        x = torch.arange(width, device=moved.device) + moved[:, 0]
        y = torch.arange(height, device=moved.device)[:, None] + moved[:, 1]
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        visible = inside & (field.channel("depth") > 0)
        return self._signal(moved, visible, field.notes)

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """The flow where it is visible, and the visibility itself. Nothing is random.

        Returns:
            maps ``(T, 3, H, W)`` float32.
        """
        return self._signal(observation.displacement.movedim(-1, 1), observation.visible, ())

    def _signal(self, moved: Tensor, visible: Tensor, notes: tuple[str, ...]) -> MotionSignal:
        seen = visible[:, None]
        maps = torch.cat([torch.where(seen, moved, 0.0), seen.to(moved.dtype)], dim=1)
        return MotionSignal(maps=maps, channels=self.channels, notes=notes)
