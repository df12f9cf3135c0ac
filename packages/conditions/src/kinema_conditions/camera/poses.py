"""A camera path as intrinsics and poses per frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp
from torch import Tensor

from kinema.errors import InputError
from kinema.motion.camera import CAMERA_MOVES, CameraMove, CameraPath, Intrinsics
from kinema.motion.timing import EASINGS

#: Published default of MotionPro, in pixels of a canvas 512 wide.
DEFAULT_FOCAL = 582.69
DEFAULT_FOCAL_WIDTH = 512

# Axis and sign of what the world does when the camera moves: it goes or turns the other way, and
# up is -y. An orbit turns the camera back left while it goes right.
_SHIFTS = {"truck": (0, -1.0), "pedestal": (1, 1.0), "dolly": (2, -1.0)}
_TURNS = {"tilt": (0, -1.0), "pan": (1, -1.0), "roll": (2, -1.0), "orbit": (1, 1.0)}


def needs_depth_scale(camera: CameraPath) -> bool:
    """Whether ``camera`` has a move whose size depends on the scene's depth."""
    return any(
        CAMERA_MOVES[move.name][0] == "scene depths" or move.name == "orbit"
        for move in camera.moves
    )


def default_intrinsics(canvas: tuple[int, int]) -> Intrinsics:
    """``(fx, fy, cx, cy)`` where a camera path names none: 582.69 px at width 512, as published."""
    width, height = canvas
    focal = DEFAULT_FOCAL * width / DEFAULT_FOCAL_WIDTH
    return focal, focal, (width - 1) / 2, (height - 1) / 2


def camera_frames(
    camera: CameraPath, frames: int, canvas: tuple[int, int], scene_depth: float
) -> tuple[Tensor, Tensor]:
    """The camera of each frame.

    Named moves start at the identity pose and act in the order they are given, each in the frame of
    the camera that the moves before it left behind; their signs are those of
    :data:`kinema.motion.CAMERA_MOVES`. A zoom grows geometrically, so that it looks steady. Poses
    given for another number of frames are resampled over time: rotations by spherical
    interpolation, camera centres and intrinsics linearly. The path's clock says which time of it
    each frame shows.

    Args:
        camera: the path.
        frames: T, at least 2.
        canvas: (width, height), for the default intrinsics.
        scene_depth: the photo's median depth, the unit of translations and the radius of an orbit.

    Returns:
        intrinsics ``(T, 3, 3)`` and world_to_camera ``(T, 4, 4)``, float64 on the CPU.

    Raises:
        InputError: ``scene_depth`` is not positive and finite.
        MotionError: fewer than two frames.
    """
    if not (math.isfinite(scene_depth) and scene_depth > 0):
        raise InputError(f"The scene's depth must be positive and finite, got {scene_depth!r}.")
    times = camera.times(frames)
    given = camera.intrinsics or (default_intrinsics(canvas),)
    intrinsics = _intrinsics(given, times)
    if camera.world_to_camera:
        return intrinsics, _resampled(camera, times)
    poses = torch.eye(4, dtype=torch.float64).repeat(frames, 1, 1)
    for move in camera.moves:
        progress = torch.tensor([EASINGS[move.easing](time) for time in times], dtype=torch.float64)
        if move.name == "zoom":
            intrinsics[:, :2, :2] *= torch.exp(progress * math.log(move.amount))[:, None, None]
        else:
            poses = _moved(move, progress, scene_depth) @ poses
    return intrinsics, poses


def _moved(move: CameraMove, progress: Tensor, scene_depth: float) -> Tensor:
    """World-to-camera (T, 4, 4) of one move from the identity, at each progress (T,)."""
    poses = torch.eye(4, dtype=torch.float64).repeat(len(progress), 1, 1)
    if CAMERA_MOVES[move.name][0] == "scene depths":
        axis, sign = _SHIFTS[move.name]
        poses[:, axis, 3] = sign * progress * move.amount * scene_depth
        return poses
    from kornia.geometry.conversions import axis_angle_to_rotation_matrix

    axis, sign = _TURNS[move.name]
    vectors = torch.zeros(len(progress), 3, dtype=torch.float64)
    vectors[:, axis] = sign * progress * math.radians(move.amount)
    poses[:, :3, :3] = axis_angle_to_rotation_matrix(vectors)
    if move.name == "orbit":
        middle = torch.tensor([0.0, 0.0, scene_depth], dtype=torch.float64)
        poses[:, :3, 3] = middle - poses[:, :3, :3] @ middle
    return poses


def _intrinsics(rows: Sequence[Intrinsics], times: list[float]) -> Tensor:
    knots = np.linspace(0.0, 1.0, len(rows))
    fx, fy, cx, cy = (
        torch.from_numpy(np.interp(times, knots, column)) for column in np.array(rows).T
    )
    matrices = torch.eye(3, dtype=torch.float64).repeat(len(times), 1, 1)
    matrices[:, 0, 0], matrices[:, 1, 1] = fx, fy
    matrices[:, 0, 2], matrices[:, 1, 2] = cx, cy
    return matrices


def _resampled(camera: CameraPath, times: list[float]) -> Tensor:
    """Poses (T, 4, 4) of a path given by poses, at ``times``; unchanged where the counts agree."""
    given = np.array(camera.world_to_camera)
    poses = np.tile(np.eye(4), (len(times), 1, 1))
    if len(given) == len(times) and not camera.clock:
        poses[:, :3] = given
        return torch.from_numpy(poses)
    knots = np.linspace(0.0, 1.0, len(given))
    turns = Slerp(knots, Rotation.from_matrix(given[:, :, :3]))(times).as_matrix()
    centres = -np.einsum("tji,tj->ti", given[:, :, :3], given[:, :, 3])
    moved = np.stack([np.interp(times, knots, axis) for axis in centres.T], axis=1)
    poses[:, :3, :3] = turns
    poses[:, :3, 3] = -np.einsum("tij,tj->ti", turns, moved)
    return torch.from_numpy(poses)
