"""``camera-error[poses]``: how far a camera path that was found elsewhere is from the true one.

Papers find the camera of a video by structure from motion (COLMAP, GLOMAP, VGGT, ...). Whatever
found it, a file with the poses of every frame is all that is needed here; any camera file that
kinema reads will do.

The rule of scale: such a path has none, so both are taken relative to their first frame, and the
found translations are multiplied by the one number that brings the camera centres nearest to the
true ones (least squares, never negative). The translation error is stated in shares of the length
of the true path, which makes it free of any unit; a true path that only turns has no such number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from kinema.errors import InputError, KinemaError
from kinema.formats import read_motion
from kinema.interfaces import Truth
from kinema.motion.motion import Motion
from kinema_apps.metrics.camera_error import Array, centres, pose_errors, relative, scale_aligned
from kinema_apps.metrics.configs import PosesConfig
from kinema_apps.metrics.ground_truth import NeedsTruth
from kinema_apps.metrics.seen_motion import check_video

#: Endings of camera files, in the order in which they are looked for.
SUFFIXES = (".txt", ".json")


class CameraErrorOfPoses(NeedsTruth):
    """Rotation error in degrees and translation error in shares of the path, means over frames.

    Args:
        config: where the files lie.

    Raises:
        InputError: the folder is absent.
    """

    name = "camera-error[poses]"

    def __init__(self, config: PosesConfig) -> None:
        self._folder = Path(config.folder)
        if not config.folder or not self._folder.is_dir():
            raise InputError(
                f"{self.name} reads the poses that you found in the videos, and its option "
                f"'folder' names no folder: {config.folder!r}. Put the poses of each video into "
                "FOLDER/MODEL/SUBSET/ITEM-seed0.txt, named as the evaluation names its videos."
            )

    def compare_named(
        self, frames: Tensor, motion: Motion, truth: Truth, name: str
    ) -> Mapping[str, float]:
        """``rotation-error[poses]`` in degrees, ``translation-error[poses]`` in shares of the path.

        Raises:
            InputError: there is no file of this video, it cannot be read, it has another number of
                poses than the video has frames, or the true poses are not known.
        """
        check_video(frames)
        count, height, width = frames.shape[:3]
        if truth.world_to_camera is None or len(truth.world_to_camera) != count:
            known = 0 if truth.world_to_camera is None else len(truth.world_to_camera)
            raise InputError(
                f"{self.name} needs a true pose per frame: the video has {count} frames, known are "
                f"{known}."
            )
        found = self._poses(name, (width, height), count)
        true = relative(truth.world_to_camera)
        turn, shift = pose_errors(scale_aligned(found, true), true)
        values = {"rotation-error[poses]": float(turn[1:].mean())}
        length = float(np.linalg.norm(np.diff(centres(true), axis=0), axis=-1).sum())
        if length > 0:
            values["translation-error[poses]"] = float(shift[1:].mean()) / length
        return values

    def _poses(self, name: str, size: tuple[int, int], count: int) -> Array:
        """``(T, 4, 4)`` of the video of that name."""
        tried = [self._folder / f"{name}{suffix}" for suffix in SUFFIXES]
        path = next((each for each in tried if each.is_file()), None)
        if path is None:
            raise InputError(f"{self.name} has no poses of this video: there is no {tried[0]}.")
        try:
            camera = read_motion(path, canvas=size).camera
        except KinemaError as error:
            raise InputError(f"The poses {str(path)!r} cannot be read: {error}") from None
        rows = () if camera is None else camera.world_to_camera
        if len(rows) != count:
            raise InputError(
                f"The poses {str(path)!r} must be one per frame: they are {len(rows)}, the video "
                f"has {count}."
            )
        poses = np.tile(np.eye(4), (count, 1, 1))
        poses[:, :3] = np.array(rows)
        return poses
