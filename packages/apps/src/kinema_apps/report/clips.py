"""The clips of a report: small videos, with the drawn and the obtained paths in their pixels."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from kinema.errors import KinemaError
from kinema.media.video import Video
from kinema.motion.motion import Motion

#: Clips are no wider than this, so that a page with a hundred of them can be sent to somebody.
WIDEST = 320

#: Of many tracks, so many are shown.
MOST_TRACKS = 12

#: Where a camera moves, so many points across and down are followed.
GRID = (5, 3)

#: Paths ``(T, N, 2)`` of points in pixels.
Paths = NDArray[np.float64]

#: Follows points ``(N, 2)`` of frame 0 through frames ``(T, H, W, 3)``; gives ``(T, N, 2)``.
Follow = Callable[[NDArray[np.uint8], Paths], Paths]


@attrs.frozen(kw_only=True)
class Clip:
    """One item in the page, as every model made it.

    Attributes:
        index: of the item and seed in the page's list.
        camera: the camera path in words; empty if there is none.
        videos: by model; see :func:`player`.
    """

    index: int
    camera: str
    videos: Mapping[str, Mapping[str, Any]]


def drawn_paths(motion: Motion, size: tuple[int, int], frames: int) -> Paths:
    """Where what was drawn should be in each frame, ``(T, N, 2)`` pixels of a video.

    Drags with respect to a moving camera have no path of their own in the picture, so there is none
    for a motion with a camera.
    """
    fitted = motion.fitted(size)
    paths: list[Paths] = []
    if fitted.camera is None:
        paths += [np.asarray(drag.path(frames), np.float64)[:, None] for drag in fitted.drags]
        if fitted.tracks is not None:
            points, _ = fitted.tracks.arrays(frames)
            chosen = np.linspace(0, points.shape[1] - 1, min(MOST_TRACKS, points.shape[1]))
            paths.append(points[:, chosen.round().astype(int)].astype(np.float64))
    return np.concatenate([np.zeros((frames, 0, 2)), *paths], axis=1)


def tracker_of(name: str) -> Follow:
    """What follows points with a tracker of that name, as ``trajectory-distance`` does.

    Raises:
        InputError: no plugin offers the tracker.
    """
    from kinema_apps.metrics.configs import TrajectoryDistanceConfig
    from kinema_apps.metrics.trajectory_distance import TrajectoryDistance

    metric = TrajectoryDistance(TrajectoryDistanceConfig(tracker=name))

    def follow(frames: NDArray[np.uint8], starts: Paths) -> Paths:
        moved = metric.displacements(torch.from_numpy(frames.copy()), torch.from_numpy(starts))
        return starts[None] + np.asarray(moved.numpy(), np.float64)

    return follow


def player(video: Video, motion: Motion | None, follow: Follow | None) -> dict[str, Any]:
    """A video as the page shows it: MP4 in base64, its form, and its paths.

    Args:
        video: the whole video.
        motion: what was asked for; None if it is not known.
        follow: how to find out what was obtained; None leaves it out.
    """
    count = len(video.frames)
    drawn = np.zeros((count, 0, 2)) if motion is None else drawn_paths(motion, video.size, count)
    starts = drawn[0]
    if motion is not None and motion.camera is not None:
        starts = _grid(video.size)
    obtained = drawn[:, :0]
    if follow is not None and len(starts) and count > 1:
        obtained = follow(video.frames, starts)
    small = _smaller(video)
    scale = small.size[0] / video.size[0], small.size[1] / video.size[1]
    with tempfile.TemporaryDirectory() as folder:
        data = small.save(Path(folder) / "clip.mp4", manifest=False).read_bytes()
    return {
        "width": small.size[0],
        "height": small.size[1],
        "fps": small.fps,
        "data": base64.b64encode(data).decode(),
        "drawn": _plain(drawn, scale),
        "obtained": _plain(obtained, scale),
    }


def _grid(size: tuple[int, int]) -> Paths:
    """Points ``(N, 2)`` spread over a picture."""
    x, y = ((np.arange(n) + 0.5) * side / n for n, side in zip(GRID, size, strict=True))
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def lack(reason: str | KinemaError) -> dict[str, Any]:
    """In place of a video that is not there."""
    return {"lack": str(reason)}


def _smaller(video: Video) -> Video:
    width, height = video.size
    factor = min(1.0, WIDEST / width)
    # MP4 has even sizes only; one chosen here keeps the paths where they belong.
    size = max(2, round(width * factor / 2) * 2), max(2, round(height * factor / 2) * 2)
    if size == video.size:
        return video
    frames = [
        np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))
        for frame in video.frames
    ]
    return Video(np.stack(frames), video.fps)


def _plain(paths: Paths, scale: tuple[float, float]) -> list[list[list[float]]]:
    """One list of points per path, in pixels of the smaller clip."""
    scaled = (paths + 0.5) * scale - 0.5
    return [[[round(x, 1), round(y, 1)] for x, y in path] for path in scaled.transpose(1, 0, 2)]


def choose(groups: Sequence[Sequence[int]], most: int) -> list[int]:
    """Which items to show: of each group in turn the worst, the best, the next worst ...

    Args:
        groups: indices of items, the best first.
        most: how many items at most.
    """
    chosen: dict[int, None] = {}
    for rank in range(max(map(len, groups), default=0)):
        for group in groups:
            for index in (group[len(group) - 1 - rank], group[rank]) if rank < len(group) else ():
                if len(chosen) < most:
                    chosen[index] = None
    return sorted(chosen)
