"""Camera geometry: paths to poses, and depth and poses to displacement.

Axes are those of OpenCV (x right, y down, z forward); poses are world-to-camera; intrinsics are in
canvas pixels, pixel centres at integers.
"""

from kinema_conditions.camera.poses import camera_frames, default_intrinsics, needs_depth_scale
from kinema_conditions.camera.projection import (
    displacement_from_poses,
    project_pixels,
    project_tracks,
)

__all__ = [
    "camera_frames",
    "default_intrinsics",
    "displacement_from_poses",
    "needs_depth_scale",
    "project_pixels",
    "project_tracks",
]
