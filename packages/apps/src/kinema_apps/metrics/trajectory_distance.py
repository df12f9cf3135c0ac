"""The metric ``trajectory-distance``: how far the dragged points are from where they should be.

After MD-Vid of MotionPro: a tracker follows the start of each drag through the video, and its
distance to the drawn path is averaged over frames and drags. MD-Vid asks CoTracker for 8x8 points
around the start without its decimals, and keeps point 36 of them, the one at the start; here the
median of what the points around the exact start do is added to it, so that a single lost point does
not decide. MD-Vid wants a still anchor to drift by one pixel; here it has to stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from kinema.errors import InputError, MotionError
from kinema.motion.motion import Motion
from kinema.offers import TRACKER
from kinema.plugins import Plugins
from kinema_apps.metrics.configs import TrajectoryDistanceConfig

NAME = "trajectory-distance"

#: Short side in pixels that ``block`` is meant for, and to which small frames are enlarged.
BLOCK_SIDE = 320
TRACKED_SIDE = 256
LARGEST_FACTOR = 16


class TrajectoryDistance:
    """Mean distance between drawn and obtained paths, in pixels of the video.

    Args:
        config: options.
        plugins: where the tracker is looked up; the installed plugins unless given.

    Raises:
        InputError: the tracker or one of its options is unknown.
        PluginError, WeightsError: as building the tracker does.
    """

    def __init__(self, config: TrajectoryDistanceConfig, plugins: Plugins | None = None) -> None:
        self.config = config
        self._tracker = (plugins or Plugins.installed()).build(
            TRACKER, config.tracker, config.tracker_options
        )

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Distances of the drags of ``motion`` in uint8 ``(T, H, W, 3)`` frames.

        The motion is fitted to the size of the frames, as photos are. Transforms of regions count
        as the drags that they stand for.

        Returns:
            ``trajectory-distance``, the mean over the frames 1 to T - 1 and the drags, and
            ``trajectory-distance-last``, that of the last frame alone.

        Raises:
            MotionError: the motion has no drag, or a camera that carries its drags along.
            InputError: the frames are no clip.
        """
        fitted = motion.fitted((frames.shape[2], frames.shape[1])).written_out(len(frames))
        if not fitted.drags or motion.camera is not None:
            lack = "a camera path" if motion.camera is not None else "no drag"
            raise MotionError(
                f"{NAME} compares drags with what a tracker sees, and this Motion has {lack}. "
                "Give a Motion with drags and without a camera path."
            )
        chosen = self._chosen(frames)
        paths = np.stack([drag.path(len(frames)) for drag in fitted.drags], axis=1)
        found = self.distances(chosen, torch.from_numpy(paths)[: len(chosen)])
        return {NAME: float(found[1:].mean()), f"{NAME}-last": float(found[-1].mean())}

    def distances(self, frames: Tensor, paths: Tensor) -> Tensor:
        """How far each point is from its path in each frame, ``(T, N)`` pixels.

        Args:
            frames: uint8 ``(T, H, W, 3)``.
            paths: ``(T, N, 2)`` pixels of the frames; those of frame 0 lie within the picture.

        Raises:
            InputError: the frames are no clip, or the paths do not fit them.
        """
        if len(paths) != len(frames) or paths.ndim != 3 or paths.shape[-1] != 2:
            raise InputError(
                f"Paths for {len(frames)} frames must be ({len(frames)}, N, 2), got "
                f"{tuple(paths.shape)!r}."
            )
        paths = paths.float().cpu()
        moved = self.displacements(frames, paths[0])
        far: Tensor = (paths[:1] + moved - paths).norm(dim=-1)
        return far

    def displacements(self, frames: Tensor, starts: Tensor) -> Tensor:
        """How far what is at ``starts`` ``(N, 2)`` of frame 0 has moved, ``(T, N, 2)`` pixels.

        The median over the block around each start.

        Raises:
            InputError: the frames are no clip.
        """
        _check(frames)
        height, width = frames.shape[1:3]
        larger, factor = self._enlarged(frames)
        blocks = _blocks(starts.float().cpu(), self._side(min(width, height)), (width, height))
        far = torch.tensor([larger.shape[2] - 1.0, larger.shape[1] - 1.0])
        # Pixel centres are integers: the first of an enlarged picture lies beyond the old one.
        queries = ((blocks + 0.5) * factor - 0.5).clamp(min=torch.zeros(2), max=far)
        tracks, _ = self._tracker.track(larger, queries.reshape(-1, 2).to(larger.device))
        moved = ((tracks - tracks[:1]) / factor).float().cpu()
        return moved.reshape(len(frames), *blocks.shape).median(dim=2).values

    def _chosen(self, frames: Tensor) -> Tensor:
        _check(frames)
        wanted = self.config.frames
        if wanted > len(frames):
            raise InputError(f"{NAME} is to measure {wanted} frames; the video has {len(frames)}.")
        return frames[:wanted] if wanted else frames

    def _side(self, short: int) -> int:
        """Side of the block on frames whose short side has ``short`` pixels."""
        return max(1, min(self.config.block, round(self.config.block * short / BLOCK_SIDE)))

    def _enlarged(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The frames as the tracker gets them, and the factor of (x, y)."""
        height, width = frames.shape[1:3]
        factor = self.config.upscale or _whole_factor(min(height, width))
        if factor == 1:
            return frames, torch.ones(2)
        size = round(height * factor), round(width * factor)
        floats = frames.permute(0, 3, 1, 2).float()
        larger = torch.nn.functional.interpolate(floats, size, mode="bicubic", align_corners=False)
        rounded = larger.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return rounded, torch.tensor([size[1] / width, size[0] / height])


def _whole_factor(short: int) -> int:
    return min(max(1, math.ceil(TRACKED_SIDE / short)), LARGEST_FACTOR)


def _check(frames: Tensor) -> None:
    shape = tuple(frames.shape)
    if len(shape) != 4 or shape[-1] != 3 or shape[0] < 2 or frames.dtype != torch.uint8:
        raise InputError(
            f"A video to measure must be uint8 frames (T, H, W, 3) with at least 2 frames, got "
            f"{shape!r} of {frames.dtype}."
        )


def _blocks(starts: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """Points ``(N, side * side, 2)`` around ``starts`` ``(N, 2)``, held within the picture."""
    steps = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(-1, 2)
    far = torch.tensor([size[0] - 1.0, size[1] - 1.0])
    return (starts[:, None] + offsets).clamp(min=torch.zeros(2), max=far)
