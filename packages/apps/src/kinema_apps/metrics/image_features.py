"""Metrics that look at frames through an image network: consistency, FID, MD-Img.

Each is told which network; its name says it, because the numbers of two networks cannot be
compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kinema.errors import InputError, MotionError
from kinema.evaluation.frechet import estimate
from kinema.interfaces import Estimate
from kinema.motion.motion import Motion
from kinema_apps.metrics.configs import MdImgConfig
from kinema_apps.metrics.seen_motion import check_video

#: Features ``(T, d)`` of uint8 frames ``(T, H, W, 3)``.
Pooled = Callable[[Tensor], Tensor]

#: Features ``(T, C, h, w)`` of places of uint8 frames ``(T, H, W, 3)``.
Local = Callable[[Tensor], Tensor]


class FrameConsistency:
    """The mean cosine of the features of neighbouring frames, at most 1.

    Args:
        name: of the number.
        features: of frames.
    """

    def __init__(self, name: str, features: Pooled) -> None:
        self.name = name
        self._features = features

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Of uint8 ``(T, H, W, 3)`` frames.

        Raises:
            InputError: the frames are no video.
        """
        check_video(frames)
        found = F.normalize(self._features(frames).double(), dim=-1)
        return {self.name: float((found[1:] * found[:-1]).sum(-1).mean())}


class ImageFrechet:
    """The Fréchet distance of the features of frames to those of real frames.

    Args:
        frames: how many frames of a video are looked at; 0 is all.
        features: of frames.
    """

    def __init__(self, frames: int, features: Pooled) -> None:
        self._frames = frames
        self._features = features

    def features(self, frames: Tensor) -> NDArray[np.float32]:
        """Features ``(n, d)`` of n frames, evenly spread over uint8 ``(T, H, W, 3)``.

        Raises:
            InputError: the frames are no video.
        """
        check_video(frames, least=1)
        found = self._features(frames)
        count = self._frames or len(frames)
        picks = torch.linspace(0, len(frames) - 1, min(count, len(frames))).round().long()
        return found[picks].float().cpu().numpy()

    def score(
        self, videos: Iterable[NDArray[np.float32]], reference: Iterable[NDArray[np.float32]]
    ) -> Estimate:
        """The distance, with its interval.

        Raises:
            InputError: there are fewer than two videos on a side.
        """
        return estimate(videos, reference)


class VideoFrechet:
    """The Fréchet distance of the features of videos to those of real videos.

    Args:
        features: one row of a video.
    """

    def __init__(self, features: Pooled) -> None:
        self._features = features

    def features(self, frames: Tensor) -> NDArray[np.float32]:
        """One row ``(1, d)`` of uint8 ``(T, H, W, 3)``.

        Raises:
            InputError: the frames are no video.
        """
        check_video(frames)
        return self._features(frames).float().cpu().numpy()

    def score(
        self, videos: Iterable[NDArray[np.float32]], reference: Iterable[NDArray[np.float32]]
    ) -> Estimate:
        """The distance, with its interval.

        Raises:
            InputError: there are fewer than two videos on a side.
        """
        return estimate(videos, reference)


class MdImg:
    """How far the dragged points are, found again by their features, from the drags' ends.

    MD-Img of DragDiffusion and MotionPro: the features of a start in the first frame are looked
    for in the whole later frame, and the place that is most alike (cosine) is compared with where
    the drag is then; the mean over drags and frames, in pixels of the video. A start that another
    place looks like as much is found there: repeated textures mislead it.

    Args:
        config: which frames.
        name: of the number.
        features: of places of frames.
    """

    def __init__(self, config: MdImgConfig, name: str, features: Local) -> None:
        self.name = name
        self._config = config
        self._features = features

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Of uint8 ``(T, H, W, 3)`` frames.

        Raises:
            MotionError: the motion has no drag.
            InputError: the frames are no video, or too few.
        """
        check_video(frames)
        if not motion.drags:
            raise MotionError(f"{self.name} compares drags, and this Motion has none.")
        count, height, width = frames.shape[:3]
        chosen = self._config.frames or (count - 1,)
        if max(chosen) >= count:
            raise InputError(
                f"{self.name} is to compare the frame {max(chosen)}; the video has {count}."
            )
        paths = [drag.path(count) for drag in motion.fitted((width, height)).drags]
        target = torch.from_numpy(np.stack(paths, axis=1)).float()
        maps = self._features(frames[[0, *chosen]])
        found = matched(maps, target[0], (width, height))
        return {self.name: float((found - target[list(chosen)]).norm(dim=-1).double().mean())}


def matched(maps: Tensor, points: Tensor, size: tuple[int, int]) -> Tensor:
    """Where ``points`` ``(N, 2)`` of the first of ``maps`` ``(1 + F, C, h, w)`` are in the others.

    Features are compared by their cosine at every pixel of ``size`` (width, height), as bilinear
    interpolation has them there.

    Returns:
        ``(F, N, 2)`` pixels.
    """
    width, height = size
    maps = F.normalize(maps.float(), dim=1)
    x = (points[:, 0] + 0.5) / width * 2 - 1
    y = (points[:, 1] + 0.5) / height * 2 - 1
    grid = torch.stack([x, y], dim=-1)[None, None]
    sought = F.grid_sample(
        maps[:1], grid, mode="bilinear", padding_mode="border", align_corners=False
    )[0, :, 0]
    sought = F.normalize(sought, dim=0)
    places = []
    for each in maps[1:]:
        low = torch.einsum("cn,chw->nhw", sought, each)[:, None]
        # Interpolating the products is interpolating the features: both are linear.
        high = F.interpolate(low, (height, width), mode="bilinear", align_corners=False)[:, 0]
        norm = _norm(each, (height, width))
        best = (high / norm).flatten(1).argmax(dim=1)
        places.append(torch.stack([best % width, best // width], dim=-1).float())
    return torch.stack(places)


def _norm(features: Tensor, size: tuple[int, int]) -> Tensor:
    """The length ``(H, W)`` of features ``(C, h, w)`` of length 1 after interpolation to ``size``.

    Found on a grid four times as fine as the features', and interpolated from there: to take it at
    every pixel costs more than all the rest and changes nothing that can be seen.
    """
    fine = F.interpolate(features[None], scale_factor=4, mode="bilinear", align_corners=False)
    length = fine.norm(dim=1, keepdim=True)
    return F.interpolate(length, size, mode="bilinear", align_corners=False)[0, 0].clamp(min=1e-6)
