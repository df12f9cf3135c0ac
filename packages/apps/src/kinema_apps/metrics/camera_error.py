"""How far the camera of a video is from the path that it was to follow.

The pose of each frame is found from tracks and depth: points of frame 0 are lifted by the depth
that is known, the tracker ``dis`` follows them, and the pose that explains where most of them went
is fitted (reprojection error with a soft L1 loss, so that what moves by itself counts little).

The rule of scale: depth and true poses share one unit, so the fitted translation has it too and
nothing is aligned. The translation error is stated in shares of the median depth, which makes it
free of that unit. Structure from motion, which other papers use, knows no scale and has to align
its path first; such numbers cannot be compared with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import Truth
from kinema.motion.motion import Motion
from kinema.plugins import Plugins
from kinema_apps.metrics.configs import DisConfig
from kinema_apps.metrics.ground_truth import NeedsTruth
from kinema_apps.metrics.seen_motion import check_video, sampled, seen_motion

Array = NDArray[np.float64]

#: Points per side of the grid that is followed.
GRID = 16

#: Reprojection errors above this count for less, in pixels of a picture 512 wide.
LOOSE = 2.0

#: Fewer visible points than this fix no pose.
LEAST_POINTS = 8


class CameraError(NeedsTruth):
    """Rotation error in degrees and translation error in shares of the depth, means over frames."""

    name = "camera-error[dis]"

    def __init__(self, config: DisConfig, plugins: Plugins | None = None) -> None:
        self._seen = seen_motion(config.side, config.quality, plugins)

    def compare(self, frames: Tensor, motion: Motion, truth: Truth) -> Mapping[str, float]:
        """``rotation-error[dis]`` in degrees and ``translation-error[dis]`` in shares of the depth.

        Raises:
            InputError: poses or depth are unknown or of another form, or too little stays visible.
        """
        check_video(frames)
        if truth.world_to_camera is None or truth.intrinsics is None or truth.depth is None:
            raise InputError(f"{self.name} needs poses, intrinsics and depth, which are not known.")
        if len(truth.world_to_camera) != len(frames) or truth.depth.shape != frames.shape[1:3]:
            raise InputError(
                f"{self.name} needs a pose per frame and a depth per pixel: the video has "
                f"{len(frames)} frames of {tuple(frames.shape[1:3])!r}, known are "
                f"{len(truth.world_to_camera)} and {tuple(truth.depth.shape)!r}."
            )
        seen = self._seen(frames)
        height, width = frames.shape[1:3]
        points = _grid(width, height)
        depth = sampled(truth.depth[None, ..., None], points)[0, :, 0].double().numpy()
        moved = sampled(seen.displacement, points).double()
        visible = sampled(seen.visible[..., None].float(), points)[..., 0].numpy() > 0.5
        places = (points.double() + moved).numpy()
        found = poses(places, visible, depth, truth.intrinsics)
        true = relative(truth.world_to_camera)
        turn, shift = pose_errors(found, true)
        middle = float(np.median(truth.depth.double().numpy()))
        return {
            "rotation-error[dis]": float(turn[1:].mean()),
            "translation-error[dis]": float(shift[1:].mean() / middle),
        }


def poses(places: Array, visible: NDArray[np.bool_], depth: Array, intrinsics: Array) -> Array:
    """The camera's pose in each frame with respect to the first one.

    Args:
        places: ``(T, N, 2)`` pixels of the points of frame 0.
        visible: ``(T, N)``.
        depth: ``(N,)`` in frame 0.
        intrinsics: ``(T, 3, 3)`` in pixels.

    Returns:
        ``(T, 4, 4)`` from the first camera to that of the frame; the first is the identity.

    Raises:
        InputError: too few points are visible in a frame.
    """
    homogeneous = np.concatenate([places[0], np.ones((len(depth), 1))], axis=1)
    world = (homogeneous @ np.linalg.inv(intrinsics[0]).T) * depth[:, None]
    loose = LOOSE * 2 * intrinsics[0, 0, 2] / 512
    found = np.tile(np.eye(4), (len(places), 1, 1))
    guess = np.zeros(6)
    for frame in range(1, len(places)):
        seen = visible[frame]
        if seen.sum() < LEAST_POINTS:
            raise InputError(
                f"Only {seen.sum()} points are visible in frame {frame}; a pose needs at least "
                f"{LEAST_POINTS}."
            )
        told = intrinsics[frame], world[seen], places[frame, seen]
        fitted = least_squares(_miss, guess, loss="soft_l1", f_scale=loose, args=told)
        guess = fitted.x
        found[frame, :3, :3] = Rotation.from_rotvec(guess[:3]).as_matrix()
        found[frame, :3, 3] = guess[3:]
    return found


def _miss(pose: Array, intrinsics: Array, world: Array, places: Array) -> Array:
    seen = (Rotation.from_rotvec(pose[:3]).apply(world) + pose[3:]) @ intrinsics.T
    off: Array = seen[:, :2] / np.maximum(seen[:, 2:], 1e-6) - places
    return off.ravel()


def relative(world_to_camera: Array) -> Array:
    """Poses ``(T, 4, 4)`` with respect to the first one."""
    found: Array = world_to_camera @ np.linalg.inv(world_to_camera[0])
    return found


def pose_errors(found: Array, true: Array) -> tuple[Array, Array]:
    """Angle in degrees between rotations, and distance between camera centres, ``(T,)`` each."""
    turns = np.einsum("tij,tkj->tik", found[:, :3, :3], true[:, :3, :3])
    angles: Array = np.degrees(Rotation.from_matrix(turns).magnitude())
    apart: Any = np.linalg.norm(centres(found) - centres(true), axis=-1)
    return angles, apart


def scale_aligned(found: Array, true: Array) -> Array:
    """Poses of unknown scale, such as of structure from motion, scaled to the true path.

    The rule: both are taken relative to their first frame, and the translations of ``found`` are
    multiplied by the one number that brings its camera centres nearest to the true ones (least
    squares); a path without translation keeps its scale.
    """
    found, true = relative(found), relative(true)
    mine, theirs = centres(found), centres(true)
    length = float((mine**2).sum())
    scaled = found.copy()
    if length > 0:
        scaled[:, :3, 3] *= max(float((mine * theirs).sum()) / length, 0.0)
    return scaled


def centres(poses: Array) -> Array:
    """Where the cameras of world-to-camera ``(T, 4, 4)`` stand, ``(T, 3)``."""
    places: Array = -np.einsum("tji,tj->ti", poses[:, :3, :3], poses[:, :3, 3])
    return places


def _grid(width: int, height: int) -> Tensor:
    x = torch.linspace(0.06 * (width - 1), 0.94 * (width - 1), GRID)
    y = torch.linspace(0.06 * (height - 1), 0.94 * (height - 1), GRID)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
