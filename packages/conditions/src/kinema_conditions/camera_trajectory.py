"""The condition ``camera-trajectory``: where the camera takes regions of the photo (MotionPro)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.interfaces import Scene
from kinema.motion.motion import Motion
from kinema.signals import MotionSignal, Observation
from kinema_conditions.camera import camera_frames, displacement_from_poses, project_tracks
from kinema_conditions.configs import CameraTrajectoryConfig
from kinema_conditions.rasterize import (
    PointPaths,
    check_scene,
    fill_blocks,
    keep_regions,
    point_paths,
    refuse_vanishing,
    sample_regions,
    signal_device,
    start_pixel,
)
from kinema_conditions.scene_depth import depth_notes, scene_depth


class CameraTrajectory:
    """Displacement that a camera path gives sparse regions of the photo, drags on top.

    Channels dx, dy: pixels from frame 0, x right, y down; 0 where nothing is said.
    """

    channels = ("dx", "dy")

    def __init__(self, config: CameraTrajectoryConfig) -> None:
        self.config = config

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        """The camera's displacement in sparse regions, and the drags with respect to the camera.

        Every pixel is lifted with the photo's depth and projected by each pose. Of the k x k
        regions whose centre stays visible, a random share ``1 - ratio`` keeps its displacement;
        which ones depends on the seed and the canvas alone.

        Drags (and visible track points) are paths as the resting camera would see them: the place
        ``p(t)`` of a drag, at the depth of its start, is lifted and projected by pose t, and the
        displacement of its block is that place minus the start. So a still anchor rides with the
        scene, and a drag's path bends with the camera. Where a drag falls behind the camera it says
        nothing. Without a camera path this is ``region-trajectory``, and no depth is asked for.

        Returns:
            maps ``(T, 2, H, W)`` float32; the notes name the depth that was used.

        Raises:
            MotionError: there is no depth, or the photo or depth has another size than the canvas.
        """
        refuse_vanishing(motion, "camera-trajectory")
        motion = motion.written_out(scene.frames, self.config.interpolation)
        check_scene(motion, scene)
        width, height = motion.canvas
        device = signal_device(scene)
        paths = point_paths(motion, scene.frames, self.config.interpolation)
        if motion.camera is None:
            maps = torch.zeros(scene.frames, 2, height, width, device=device)
            fill_blocks(maps, paths, paths.displacement, self.config.k)
            return MotionSignal(maps=maps, channels=self.channels)
        found = scene_depth(motion, scene)
        depth = found.depth.to(device)
        camera = camera_frames(motion.camera, scene.frames, motion.canvas, float(depth.median()))
        displacement, visible = displacement_from_poses(depth, *camera)
        kept = self._kept(visible)
        maps = torch.where(kept[..., None], displacement, 0.0).permute(0, 3, 1, 2).contiguous()
        seen, values = _carried(paths, depth, camera)
        fill_blocks(maps, seen, values, self.config.k)
        return MotionSignal(maps=maps, channels=self.channels, notes=depth_notes(motion, found))

    def from_observation(
        self, observation: Observation, generator: torch.Generator
    ) -> MotionSignal:
        """The same draw as ``region-trajectory``: a clip does not say who moved.

        Returns:
            maps ``(T, 2, H, W)`` float32.
        """
        maps = sample_regions(observation, self.config.k, self.config.r_min, generator)
        return MotionSignal(maps=maps, channels=self.channels)

    def _kept(self, visible: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.config.seed)
        ratio = torch.tensor(self.config.ratio)
        return keep_regions(visible.all(0), self.config.k, ratio, generator)


def _carried(
    paths: PointPaths, depth: Tensor, camera: tuple[Tensor, Tensor]
) -> tuple[PointPaths, Tensor]:
    """The points as the moving camera sees them, and their displacement (T, N, 2)."""
    pixels = [start_pixel(x, y) for x, y in paths.starts.tolist()]
    columns = torch.tensor([x for x, _ in pixels], dtype=torch.long, device=depth.device)
    rows = torch.tensor([y for _, y in pixels], dtype=torch.long, device=depth.device)
    places = paths.places.float().to(depth.device)
    points, z = project_tracks(places, depth[rows, columns], *camera)
    ahead = z > 0
    displacement = torch.where(ahead[..., None], points - places[0], 0.0)
    displacement[0] = 0.0  # the photo itself; lifting it and projecting it back is exact to 1e-5 px
    return attrs.evolve(paths, visible=paths.visible & ahead.to(paths.visible.device)), displacement
