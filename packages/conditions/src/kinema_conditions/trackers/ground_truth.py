"""The tracker ``ground-truth``: what is known of a synthetic clip, told as a tracker tells it."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.signals import Observation
from kinema_conditions.synthetic.clip import SyntheticClip, generate
from kinema_conditions.synthetic_config import LEAST_SIDE
from kinema_conditions.tracker_configs import GroundTruthConfig
from kinema_conditions.trackers.inputs import check_frames, check_points


class GroundTruth:
    """Knows one clip of a series, or those given to :meth:`of`, and refuses every other."""

    def __init__(self, config: GroundTruthConfig) -> None:
        self.config = config
        self._known: tuple[SyntheticClip, ...] = ()
        self._fixed = False

    @classmethod
    def of(cls, *clips: SyntheticClip) -> GroundTruth:
        """A tracker that knows exactly these clips."""
        tracker = cls(GroundTruthConfig())
        tracker._known, tracker._fixed = clips, True
        return tracker

    def observe(self, frames: Tensor) -> Observation:
        """The true motion from frame 0 of uint8 ``(T, H, W, 3)``, on the device of the frames.

        Raises:
            InputError: ``frames`` is no clip, or none that this tracker knows.
        """
        found = self._clip(frames).observation
        return attrs.evolve(
            found,
            displacement=found.displacement.to(frames.device),
            visible=found.visible.to(frames.device),
        )

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """Where ``points`` ``(N, 2)`` of ``frame`` go: ``(T, N, 2)``, visible ``(T, N)``.

        Raises:
            InputError: ``frames`` is no known clip, or a point is not in it.
        """
        clip = self._clip(frames)
        check_points(frames, points, frame)
        tracks, visible = clip.track(points, frame)
        return tracks.to(frames.device), visible.to(frames.device)

    def _clip(self, frames: Tensor) -> SyntheticClip:
        check_frames(frames, LEAST_SIDE)
        count, height, width = frames.shape[:3]
        if not self._fixed and not any(clip.frames.shape == frames.shape for clip in self._known):
            config = self.config
            made = generate(config.seed, config.index, (width, height), count, config.clips)
            self._known = (made,)
        shown = frames.cpu()
        for clip in self._known:
            if torch.equal(clip.frames, shown):
                return clip
        known = (
            f"the {len(self._known)} clips it was given"
            if self._fixed
            else f"clip {self.config.index} of the synthetic series {self.config.seed}"
        )
        raise InputError(
            f"ground-truth knows only {known}, and these {count} frames of {width}x{height} are "
            "others. Name the clip with the options 'seed', 'index' and 'clips', or choose the "
            "tracker dis."
        )
