"""The benchmark ``videos``: clips of any videos, moved again by what a tracker sees in them.

After the evaluation on WebVid-10M of MotionPro: of all blocks of k x k pixels whose centre stays
visible, a share (15 % there) becomes trajectories, and the region is what moves by more than a
pixel. The real clip is the truth that the videos are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import BenchmarkItem, Case, ClipForm, ClipItem, Tracker, Truth
from kinema.motion.motion import Motion
from kinema.motion.observed import MOVING
from kinema.motion.region import Region
from kinema.motion.tracks import Tracks
from kinema.offers import CLIP_SOURCE, TRACKER
from kinema.plugins import Plugins
from kinema.signals import Observation
from kinema_apps.benchmarks.configs import VideosBenchmarkConfig
from kinema_apps.benchmarks.missing import VIDEOS

SUBSET = "videos"


class VideosBenchmark:
    """Any folder of videos.

    Raises:
        InputError: the tracker is unknown.
    """

    def __init__(self, config: VideosBenchmarkConfig, plugins: Plugins | None = None) -> None:
        self.config = config
        self._plugins = plugins or Plugins.installed()
        self._tracker: Tracker | None = None
        self._source: Any = None

    @property
    def _form(self) -> ClipForm:
        config = self.config
        return ClipForm(size=config.size, frames=config.frames, fps=config.fps)

    def _clips(self) -> Any:
        if self._source is None:
            folder = str(VIDEOS.checked(self.config.folder))
            options = {"folder": folder, "most_per_video": 1}
            self._source = self._plugins.build(CLIP_SOURCE, "videos", options)
        return self._source

    def items(self) -> Sequence[BenchmarkItem]:
        """One clip per video.

        Raises:
            InputError: the folder is absent or holds no video.
        """
        return [
            BenchmarkItem(
                key=PurePosixPath(str(each.place[0])).with_suffix("").as_posix(),
                subset=SUBSET,
                place=each.place,
            )
            for each in self._clips().items(self._form)
        ]

    def read(self, item: BenchmarkItem) -> Case:
        """Decode the clip, and see how it moves.

        Raises:
            InputError: it cannot be read, or no block of it stays visible.
        """
        raw = self._clips().read(ClipItem(key=item.key, place=item.place), self._form)
        if raw.fault:
            raise InputError(f"The clip cannot be used: {raw.fault}.")
        if self._tracker is None:
            self._tracker = self._plugins.build(TRACKER, self.config.tracker)
        seen = self._tracker.observe(raw.frames)
        config = self.config
        generator = torch.Generator().manual_seed(config.seed)
        points = chosen_blocks(seen, config.k, config.ratio, generator)
        if not len(points):
            raise InputError("No block of the clip stays visible, so there is nothing to move.")
        x, y = points[:, 0], points[:, 1]
        tracks = points + seen.displacement[:, y, x]
        moving = seen.displacement.norm(dim=-1).mean(0) > MOVING
        motion = Motion(
            canvas=config.size,
            tracks=Tracks(points=tracks.tolist()),
            regions=[Region.from_array(moving.cpu().numpy())] if bool(moving.any()) else [],
            fps=config.fps,
            duration=config.frames / config.fps,
        )
        visible = torch.ones(tracks.shape[:2], dtype=torch.bool)
        return Case(
            photo=raw.frames[0].cpu().numpy(),
            motion=motion,
            size=config.size,
            frames=config.frames,
            fps=config.fps,
            prompt=raw.caption,
            truth=Truth(frames=raw.frames.cpu(), tracks=tracks.float().cpu(), visible=visible),
            licence=raw.licence,
        )


def chosen_blocks(seen: Observation, k: int, ratio: float, generator: torch.Generator) -> Tensor:
    """Centres ``(N, 2)`` of blocks of k x k pixels that stay visible, each kept with 1 - ratio."""
    height, width = seen.visible.shape[1:]
    y = torch.arange(k // 2, height - k // 2 + 1, k)
    x = torch.arange(k // 2, width - k // 2 + 1, k)
    kept = torch.rand((len(y), len(x)), generator=generator) > ratio
    kept &= seen.visible.all(0).cpu()[y][:, x]
    rows, columns = kept.nonzero().unbind(1)
    return torch.stack([x[columns], y[rows]], dim=-1)
