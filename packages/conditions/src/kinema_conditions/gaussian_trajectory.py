"""The condition ``gaussian-trajectory``: points spread by a Gaussian (the DragNUWA baseline)."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.errors import MotionError
from kinema.interfaces import Scene
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.configs import GaussianTrajectoryConfig
from kinema_conditions.rasterize import (
    check_scene,
    point_paths,
    refuse_vanishing,
    signal_device,
    start_pixel,
)


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
        refuse_vanishing(motion, "gaussian-trajectory")
        motion = motion.written_out(scene.frames, self.config.interpolation)
        if motion.camera is not None:
            raise MotionError(
                "gaussian-trajectory spreads single points and cannot express a camera path. Use "
                "the condition camera-trajectory, or remove the camera from the Motion."
            )
        check_scene(motion, scene)
        paths = point_paths(motion, scene.frames, self.config.interpolation)
        values = torch.where(paths.visible[..., None], paths.displacement, 0.0)
        starts = [start_pixel(x, y) for x, y in paths.starts.tolist()]
        # A dict keeps the last point of each pixel, and the order does not matter for a sum.
        chosen = {pixel: n for n, pixel in enumerate(starts)}
        columns, rows = torch.tensor(list(chosen), dtype=torch.long).reshape(-1, 2).unbind(1)
        values = values[:, list(chosen.values())].to(signal_device(scene))
        maps = self._spread(values, rows, columns, motion.canvas)
        return MotionSignal(maps=maps, channels=self.channels)

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
        height, width = observation.visible.shape[-2:]
        rows, columns = chosen // width, chosen % width
        values = observation.displacement[:, rows, columns]
        maps = self._spread(values, rows, columns, (width, height))
        return MotionSignal(maps=maps, channels=self.channels)

    def _spread(self, values: Tensor, rows: Tensor, columns: Tensor, size: Size) -> Tensor:
        """Filter single points: values (T, N, 2) at pixels (N,), to maps (T, 2, H, W).

        The filter is separable, so a point becomes the product of a column and a row; that equals a
        blur of the whole map at a fraction of its cost.
        """
        across = self._profiles(columns.to(values.device), size[0], values)
        down = self._profiles(rows.to(values.device), size[1], values)
        return (values.permute(0, 2, 1)[..., None] * down).mT @ across

    def _profiles(self, places: Tensor, length: int, like: Tensor) -> Tensor:
        """The filter's weights around each place (N,), 1 at the place itself: (N, length)."""
        from kornia.filters import get_gaussian_kernel1d

        weights = get_gaussian_kernel1d(
            self.config.kernel, self.config.sigma, device=like.device, dtype=like.dtype
        )[0]
        reach = self.config.kernel // 2
        offsets = torch.arange(length, device=like.device) - places[:, None]
        near = weights[(offsets + reach).clamp(0, self.config.kernel - 1)] / weights[reach]
        return torch.where(offsets.abs() <= reach, near, 0.0)
