"""The condition ``gaussian-trajectory``: points spread by a Gaussian (the DragNUWA baseline)."""

from __future__ import annotations

import torch
from kornia.filters import gaussian_blur2d, get_gaussian_kernel1d
from torch import Tensor

from kinema.errors import MotionError
from kinema.interfaces import Scene
from kinema.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.configs import GaussianTrajectoryConfig
from kinema_conditions.rasterize import check_scene, fill_blocks, point_paths, signal_device


class GaussianTrajectory:
    """Displacement of single points, spread by a large Gaussian whose peak keeps it (DragNUWA).

    Channels dx, dy: pixels from frame 0, x right, y down. Where the Gaussians of several points
    meet, they add up, as published.
    """

    channels = ("dx", "dy")

    def __init__(self, config: GaussianTrajectoryConfig) -> None:
        self.config = config

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """Each drag's displacement at the pixel of its start, spread by the filter.

        Still anchors drift by (+1, +1). Visible track points act like drags; where two start in one
        pixel, the later one counts. Regions say nothing here.

        Returns:
            maps ``(T, 2, H, W)`` float32.

        Raises:
            MotionError: the Motion has a camera path, which points cannot express, or the photo has
                another size than the canvas.
        """
        if motion.camera is not None:
            raise MotionError(
                "gaussian-trajectory spreads single points and cannot express a camera path. Use "
                "the condition camera-trajectory, or remove the camera from the Motion."
            )
        check_scene(motion, scene)
        width, height = motion.canvas
        paths = point_paths(motion, scene.frames, self.config.interpolation)
        maps = torch.zeros(scene.frames, 2, height, width, device=signal_device(scene))
        fill_blocks(maps, paths, paths.displacement, k=1)
        return MotionSignal(maps=self._spread(maps), channels=self.channels)

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """A few random points of the flow, spread by the same filter.

        From 1 to ``points`` of them, drawn without repetition among the pixels that are visible in
        every frame; none if there is no such pixel.

        Returns:
            maps ``(T, 2, H, W)`` float32.
        """
        seen = observation.visible.all(0).flatten().nonzero().flatten()
        device = generator.device
        count = int(
            torch.randint(1, self.config.points + 1, (), generator=generator, device=device)
        )
        order = torch.randperm(len(seen), generator=generator, device=device)
        chosen = seen[order[:count].to(seen.device)]
        flow = observation.displacement.permute(0, 3, 1, 2)
        points = torch.zeros_like(flow).flatten(2)
        points[:, :, chosen] = flow.flatten(2)[:, :, chosen]
        return MotionSignal(maps=self._spread(points.view_as(flow)), channels=self.channels)

    def _spread(self, maps: Tensor) -> Tensor:
        """Filter (T, 2, H, W), scaled so that a lone point keeps its value at its own pixel."""
        kernel, sigma = self.config.kernel, self.config.sigma
        blurred = gaussian_blur2d(maps, kernel, (sigma, sigma), border_type="constant")
        weights = get_gaussian_kernel1d(kernel, sigma, device=maps.device, dtype=maps.dtype)
        return blurred / weights.max().square()
