"""The condition ``region-trajectory``: where blocks of the photo go (MotionPro)."""

from __future__ import annotations

import torch

from kinema.errors import MotionError
from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.motion.observed import motion_of
from kinema.signals import MotionSignal, Observation
from kinema_conditions.configs import CameraTrajectoryConfig, RegionTrajectoryConfig
from kinema_conditions.rasterize import (
    check_scene,
    fill_blocks,
    point_paths,
    refuse_vanishing,
    sample_regions,
    signal_device,
)


class RegionTrajectory:
    """Displacement of the block around each drag's start (MotionPro, section 3.2).

    Channels dx, dy: pixels from frame 0, x right, y down; 0 where nothing is said.
    """

    channels = ("dx", "dy")

    def __init__(self, config: RegionTrajectoryConfig) -> None:
        self.config = config

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """Each drag's displacement, filled into the k x k block around its start.

        Still anchors drift by (+1, +1). Visible track points act like drags and lie below them;
        later drags win where blocks overlap. Regions say nothing here, see ``motion-mask``. A
        camera path is not dropped: the signal is then that of ``camera-trajectory`` with its
        default share of regions and its default seed; name that condition to choose them.

        Returns:
            maps ``(T, 2, H, W)`` float32.

        Raises:
            MotionError: the photo has another size than the canvas, or a camera path has no depth.
        """
        refuse_vanishing(motion, "region-trajectory")
        motion = motion.written_out(scene.frames, self.config.interpolation)
        if motion.camera is not None:
            # Geometry libraries take seconds to import, and drags alone need none of them.
            from kinema_conditions.camera_trajectory import CameraTrajectory

            config = CameraTrajectoryConfig(
                k=self.config.k, r_min=self.config.r_min, interpolation=self.config.interpolation
            )
            return CameraTrajectory(config).from_motion(motion, scene)
        check_scene(motion, scene)
        width, height = motion.canvas
        paths = point_paths(motion, scene.frames, self.config.interpolation)
        maps = torch.zeros(scene.frames, 2, height, width, device=signal_device(scene))
        fill_blocks(maps, paths, paths.displacement, self.config.k)
        return MotionSignal(maps=maps, channels=self.channels)

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """The flow inside random k x k regions that stay visible (MotionPro, section 3.2).

        Of the regions whose centre is visible in every frame, a share drawn uniformly from
        [r_min, 1] is left out.

        With ``drags`` it is what :meth:`from_motion` makes of one to that many drags, such as
        :func:`kinema.motion.observed.motion_of` draws them: the signal of use rather than of the
        paper. All zeros where nothing moves that could be dragged.

        Returns:
            maps ``(T, 2, H, W)`` float32.
        """
        if self.config.drags:
            return self._from_drags(observation, generator)
        maps = sample_regions(observation, self.config.k, self.config.r_min, generator)
        return MotionSignal(maps=maps, channels=self.channels)

    def _from_drags(self, observation: Observation, generator: torch.Generator) -> MotionSignal:
        count = 1 + int(torch.randint(self.config.drags, (), generator=generator))
        frames, height, width, _ = observation.displacement.shape
        try:
            motion = motion_of(observation, generator, drags=count)
        except MotionError:
            motion = Motion(canvas=(width, height))
        return self.from_motion(motion, Scene(frames=frames))
