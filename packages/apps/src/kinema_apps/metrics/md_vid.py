"""MD-Vid of MotionPro: how far a tracker sees the dragged points from where they should be.

As the published script has it: of each drag, the 8x8 block of points around its start without the
decimals is asked for, point 36 of it is kept (which is that start), and its distance to the drag,
interpolated to the frames of the video, is averaged over frames and drags. Whether the tracker
sees the point is ignored. Videos are averaged afterwards.

A drag of one point has a second one at (+1, +1) there, and so here: MotionPro is told to hold a
point still by such a drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema.errors import InputError, MotionError
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.offers import TRACKER
from kinema.plugins import Plugins
from kinema_apps.metrics.configs import MdVidConfig, PublishedMdVidConfig
from kinema_apps.metrics.seen_motion import check_video, sampled, seen_motion

#: Side of the block that is asked for, and the point of it that is kept.
BLOCK = 8
KEPT = 36


class Follow(Protocol):
    """Where points ``(N, 2)`` of frame 0 go: ``(T, N, 2)``."""

    def __call__(self, frames: Tensor, points: Tensor) -> Tensor:
        """In pixels of uint8 frames ``(T, H, W, 3)``."""


class MdVid:
    """Mean distance of dragged points to their drags, in pixels of the video.

    Args:
        name: of the number.
        follow: the tracker.
        frames: which are compared; all but the first unless given.
    """

    def __init__(self, name: str, follow: Follow, frames: Sequence[int] = ()) -> None:
        self.name = name
        self._follow = follow
        self._frames = tuple(frames)

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Of uint8 ``(T, H, W, 3)`` frames; the motion is fitted to their size.

        Raises:
            MotionError: the motion has no drag.
            InputError: the frames are no video, or too few.
        """
        check_video(frames)
        if not motion.drags:
            raise MotionError(f"{self.name} compares drags, and this Motion has none.")
        count, height, width = frames.shape[:3]
        chosen = self._frames or tuple(range(1, count))
        if max(chosen) >= count:
            raise InputError(
                f"{self.name} is to compare the frame {max(chosen)}; the video has {count}."
            )
        fitted = motion.fitted((width, height))
        target = torch.from_numpy(np.stack([path(drag, count) for drag in fitted.drags], axis=1))
        found = self._follow(frames, blocks(target[0], (width, height)))
        kept = found.reshape(count, len(fitted.drags), BLOCK * BLOCK, 2)[:, :, KEPT]
        return {self.name: distance(kept.double().cpu(), target, chosen)}


def distance(tracks: Tensor, target: Tensor, frames: Sequence[int]) -> float:
    """The published formula: the mean over ``frames`` and points of ``|tracks - target|``.

    Args:
        tracks, target: ``(T, N, 2)`` pixels.
        frames: which of the T.
    """
    return float((tracks - target).norm(dim=-1)[list(frames)].mean())


def path(drag: Drag, frames: int) -> NDArray[np.float64]:
    """Where the published script wants a drag's start to be, ``(T, 2)``."""
    if len(drag.points) == 1:
        (x, y) = drag.points[0]
        drag = Drag([(x, y), (x + 1, y + 1)])
    return drag.path(frames)


def blocks(starts: Tensor, size: tuple[int, int]) -> Tensor:
    """The points ``(N * 64, 2)`` that the published script asks for, held within the picture.

    Rows and columns -4 to +3 around the whole part of each start, row by row; number 36 is the
    start.
    """
    steps = torch.arange(BLOCK, dtype=torch.float32) - BLOCK // 2
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(-1, 2)
    far = torch.tensor([size[0] - 1.0, size[1] - 1.0])
    points = (starts.float().trunc()[:, None] + offsets).reshape(-1, 2)
    return points.clamp(min=torch.zeros(2), max=far)


def with_dis(config: MdVidConfig, plugins: Plugins | None = None) -> MdVid:
    """``md-vid[dis]``: the formula, with optical flow instead of CoTracker."""
    seen = seen_motion(config.side, config.quality, plugins)

    def follow(frames: Tensor, points: Tensor) -> Tensor:
        return points + sampled(seen(frames).displacement, points)

    return MdVid("md-vid[dis]", follow, config.frames)


def published(config: PublishedMdVidConfig, plugins: Plugins | None = None) -> MdVid:
    """``md-vid``: the formula, with CoTracker3.

    Raises:
        WeightsError: its weights are absent.
    """
    tracker = (plugins or Plugins.installed()).build(
        TRACKER, "cotracker3", {"path": config.path, "device": config.device}
    )

    def follow(frames: Tensor, points: Tensor) -> Tensor:
        return tracker.track(frames, points)[0]

    return MdVid("md-vid", follow, config.frames)
