"""What is measured on fixed clips: the loss at fixed noise levels, and videos of real motion."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from kinema.clips.clip import Clip
from kinema.clips.dataset import ClipDataset, collate
from kinema.config import from_mapping
from kinema.errors import MotionError
from kinema.interfaces import Metric, Scene, Solver
from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema.motion.observed import motion_of
from kinema.offers import BACKBONE, METRIC
from kinema.session.building import build_solver
from kinema.session.parts import Part
from kinema.session.steering import Shot
from kinema.training.assembly import Assembly, check_data
from kinema.training.draws import VALIDATION, Draws, draw
from kinema.training.engine import Engine

#: Draws a motion on uint8 frames (T, H, W, 3).
Drawing = Callable[[NDArray[np.uint8], Motion], NDArray[np.uint8]]


@attrs.frozen(eq=False, kw_only=True)
class Found:
    """What one validation found.

    Attributes:
        values: by name; ``validation_loss`` is the mean over clips and noise levels, every metric's
            values are called ``METRIC/VALUE``.
        videos: by the clip's name, with the motion drawn on them if a drawing was given.
    """

    values: Mapping[str, float]
    videos: Mapping[str, Video]


class Validation:
    """The fixed clips of a training and what is done with them.

    Args:
        assembly: the parts of the training.
        engine: of this process.
        draw_motion: draws the motion on the videos.

    Raises:
        InputError: a metric, an option or the folder of clips cannot be used.
    """

    def __init__(
        self, assembly: Assembly, engine: Engine, draw_motion: Drawing | None = None
    ) -> None:
        self._assembly = assembly
        self._engine = engine
        self._draw_motion = draw_motion
        self.config = assembly.config.validation
        offer = assembly.parts.plugins.find(BACKBONE, assembly.config.backbone).offer
        what = "The table [validation.sample] of the recipe"
        self._sample = from_mapping(offer.sample, self.config.sample, what)
        self._solver()  # an unknown name is refused before the training
        self._metrics: dict[str, Part[Metric]] = {
            name: assembly.parts.build(METRIC, name, {}) for name in self.config.metrics
        }
        dataset = assembly.dataset
        if self.config.data:
            dataset = ClipDataset(self.config.data)
            check_data(dataset, assembly.config.backbone, assembly.backbone)
        self._clips = [dataset[i] for i in range(min(self.config.clips, len(dataset)))]

    @torch.no_grad()
    def run(self) -> Found:
        """Measure all; only the first process has videos, and the values of metrics."""
        values = self._losses()
        videos: dict[str, Video] = {}
        if self._engine.main or self._engine.spread:
            with self._engine.autocast():
                for number, clip in enumerate(self._clips[: self.config.videos]):
                    motion = motion_in(clip, self.config.points, number)
                    video = self._render(clip, motion, seed=number)
                    self._score(values, video, motion)
                    videos[clip.id] = self._drawn(video, motion)
        self._engine.wait()
        return Found(values=_means(values), videos=videos)

    # -- the loss -----------------------------------------------------------------------------

    def _losses(self) -> dict[str, list[float]]:
        sums: dict[str, float] = {}
        # Every process makes equally many passes, as engines that spread a model over them need.
        world, count = self._engine.world, len(self._clips)
        for first in range(0, count, world):
            index = first + self._engine.rank
            clip = self._clips[index % count]
            for sigma in self.config.sigmas:
                loss = float(self._engine.model(collate([clip]), self._fixed(clip, index, sigma)))
                name = f"validation_loss/sigma-{sigma:g}"
                sums[name] = sums.get(name, 0.0) + (loss if index < count else 0.0)
        means = {k: v * world / count for k, v in self._engine.mean(sums).items()}
        return {
            "validation_loss": [sum(means.values()) / len(means)],
            **{name: [value] for name, value in means.items()},
        }

    def _fixed(self, clip: Clip, index: int, sigma: float) -> Draws:
        assembly = self._assembly
        return draw(
            assembly.config,
            assembly.trainable,
            assembly.options,
            VALIDATION,
            [index],
            clip.latents.shape,
            torch.tensor([clip.motion_length]),
            at=sigma,
        )

    # -- videos -------------------------------------------------------------------------------

    def _render(self, clip: Clip, motion: Motion, seed: int) -> Video:
        steering = self._assembly.steering
        scene = Scene(frames=clip.frames, image=clip.first_frame.float() / 255.0)
        shot = Shot(motion=motion, scene=scene, seed=seed, prompt=clip.caption)
        made = steering.sample([shot], clip.size, clip.fps, self._sample, self._solver())
        return Video(frames=steering.decode(made)[0].numpy(), fps=clip.fps)

    def _solver(self) -> Solver:
        return build_solver(self._assembly.parts, self._sample, {}, record=False)

    def _score(self, values: dict[str, list[float]], video: Video, motion: Motion) -> None:
        if not (motion.drags or any(region.transform for region in motion.regions)):
            return  # nothing was asked for that a metric could compare with
        for name, part in self._metrics.items():
            with part.calling("measure()") as metric:
                found = metric.measure(torch.from_numpy(video.frames.copy()), motion)
            for key, value in found.items():
                values.setdefault(f"{name}/{key}", []).append(float(value))

    def _drawn(self, video: Video, motion: Motion) -> Video:
        if self._draw_motion is None:
            return video
        return attrs.evolve(video, frames=self._draw_motion(video.frames, motion))


def save_videos(run: Path, step: int, videos: Mapping[str, Video]) -> Path:
    """Write the videos as ``samples/step-000100/NAME.mp4`` of a run folder."""
    folder = run / "samples" / f"step-{step:06d}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, video in videos.items():
        kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        video.save(folder / f"{kept}.mp4")
    return folder


def motion_in(clip: Clip, drags: int, seed: int) -> Motion:
    """The motion that was seen in a clip, as a person would have drawn it; empty without any.

    Args:
        clip: prepared.
        drags: how many, at most.
        seed: of the choice of the points.
    """
    generator = torch.Generator().manual_seed(seed)
    try:
        return motion_of(clip.observation(), generator, drags, clip.fps)
    except MotionError:
        return Motion(canvas=clip.size, fps=clip.fps, duration=clip.frames / clip.fps)


def _means(values: Mapping[str, list[float]]) -> dict[str, float]:
    means = {}
    for name, found in values.items():
        finite = [value for value in found if math.isfinite(value)]
        if finite:
            means[name] = sum(finite) / len(finite)
    return means
