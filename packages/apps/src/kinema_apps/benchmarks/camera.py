"""The benchmark ``camera``: photos that a camera path moves through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import torch

from kinema.errors import InputError
from kinema.formats import read_motion
from kinema.formats.reading import numeric, open_array
from kinema.interfaces import BenchmarkItem, Case, Truth
from kinema.media.photo import read_photo
from kinema.motion.camera import CameraPath
from kinema.motion.motion import Motion
from kinema_apps.benchmarks.configs import CameraBenchmarkConfig
from kinema_apps.benchmarks.folder import PICTURES
from kinema_apps.benchmarks.missing import CAMERA

SUBSET = "camera"


class CameraBenchmark:
    """Every photo of ``photos/`` with every path of ``poses/``; depth of ``depth/NAME.npy``.

    Paths with more poses than the video has frames are taken at evenly spread ones.
    """

    def __init__(self, config: CameraBenchmarkConfig) -> None:
        self.config = config

    def items(self) -> Sequence[BenchmarkItem]:
        """By photo, then by path.

        Raises:
            InputError: the folder is absent, or has no photo or no path.
        """
        folder = CAMERA.checked(self.config.folder)
        photos = _files(folder / "photos", PICTURES)
        paths = _files(folder / "poses", (".txt", ".json"))
        if not photos or not paths:
            raise CAMERA.missing(
                self.config.folder, f"it has {len(photos)} photos and {len(paths)} camera paths"
            )
        return [
            BenchmarkItem(
                key=f"{photo.stem}--{path.stem}", subset=SUBSET, place=(photo.name, path.name)
            )
            for photo in photos
            for path in paths
        ]

    def read(self, item: BenchmarkItem) -> Case:
        """Photo, path and, if it is there, depth.

        Raises:
            InputError: a file is absent or damaged, the path has too few poses, or the depth is of
                another size than the photo.
        """
        folder, config = Path(self.config.folder), self.config
        photo = read_photo(folder / "photos" / str(item.place[0])).pixels
        size = photo.shape[1], photo.shape[0]
        asked = read_motion(folder / "poses" / str(item.place[1]), canvas=size)
        path = _evenly(asked.camera, config.frames, str(item.place[1]))
        if not path.intrinsics:
            focal = config.focal * size[0] / 512
            middle = (size[0] - 1) / 2, (size[1] - 1) / 2
            path = attrs.evolve(path, intrinsics=[(focal, focal, *middle)])
        intrinsics = np.tile(np.eye(3), (config.frames, 1, 1))
        rows = np.array(path.intrinsics)
        for place, column in (((0, 0), 0), ((1, 1), 1), ((0, 2), 2), ((1, 2), 3)):
            intrinsics[:, place[0], place[1]] = rows[:, column]
        poses = np.tile(np.eye(4), (config.frames, 1, 1))
        poses[:, :3] = np.array(path.world_to_camera)
        return Case(
            photo=photo,
            motion=Motion(
                canvas=size, camera=path, fps=config.fps, duration=config.frames / config.fps
            ),
            size=size,
            frames=config.frames,
            fps=config.fps,
            truth=Truth(
                intrinsics=intrinsics,
                world_to_camera=poses,
                depth=_depth(folder / "depth" / f"{Path(str(item.place[0])).stem}.npy", photo),
            ),
        )


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in suffixes)


def _evenly(path: CameraPath | None, frames: int, name: str) -> CameraPath:
    if path is None or len(path.world_to_camera) < frames:
        count = 0 if path is None else len(path.world_to_camera)
        raise InputError(
            f"The path {name!r} has {count} poses, and the video {frames} frames; ask for fewer "
            "with the option 'frames'."
        )
    picks = np.linspace(0, len(path.world_to_camera) - 1, frames).round().astype(int)
    rows = path.intrinsics
    return attrs.evolve(
        path,
        world_to_camera=[path.world_to_camera[pick] for pick in picks],
        intrinsics=[rows[pick] for pick in picks] if len(rows) > 1 else rows,
    )


def _depth(path: Path, photo: np.ndarray) -> torch.Tensor | None:
    if not path.is_file():
        return None
    try:
        depth = numeric(open_array(path), f"The depth {str(path)!r}").astype(np.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error}.") from None
    if depth.shape != photo.shape[:2] or not (np.isfinite(depth) & (depth > 0)).all():
        raise InputError(
            f"{str(path)!r} must hold a positive depth for every pixel of the photo, "
            f"{photo.shape[:2]!r}; its shape is {depth.shape!r}."
        )
    return torch.from_numpy(depth)
