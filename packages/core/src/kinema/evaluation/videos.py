"""Videos of any making, measured one by one: what a program calls that makes its own videos."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.errors import Cancelled, InputError, KinemaError, PluginError
from kinema.evaluation.intervals import Interval, interval
from kinema.files import write_atomically
from kinema.interfaces import Metric
from kinema.media.video import Video
from kinema.motion.motion import Motion

FORMAT = "kinema.evaluation/1"

#: Makes the video of a photo, a motion and a seed.
MakeVideo = Callable[[Any, Motion, int], Video]

#: A name, a photo (whatever ``make_video`` takes) and a motion.
Item = tuple[str, Any, Motion]

#: Called with (videos done, videos in all).
OnProgress = Callable[[int, int], None]


@attrs.frozen(kw_only=True)
class Score:
    """One video's numbers.

    Attributes:
        item, seed: which video.
        values: by name; empty if it failed.
        error: why it failed, in one line; empty if it did not.
    """

    item: str
    seed: int
    values: Mapping[str, float] = attrs.field(factory=dict)
    error: str = ""


@attrs.frozen(kw_only=True)
class Evaluation:
    """What an evaluation found, video by video."""

    scores: tuple[Score, ...]

    @property
    def failed(self) -> tuple[Score, ...]:
        """The videos that could not be made or measured."""
        return tuple(score for score in self.scores if score.error)

    @property
    def summary(self) -> dict[str, Interval]:
        """Each value's mean over items and seeds; failed videos are left out, see ``failed``."""
        names = dict.fromkeys(name for score in self.scores for name in score.values)
        return {
            name: interval(
                (score.item, score.values[name]) for score in self.scores if name in score.values
            )
            for name in names
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "format": FORMAT,
            "summary": {name: attrs.asdict(found) for name, found in self.summary.items()},
            "failed": len(self.failed),
            "scores": [attrs.asdict(score) for score in self.scores],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the data of :meth:`to_dict` as JSON.

        Raises:
            InputError: the folder does not exist or cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        return write_atomically(Path(path), lambda part: part.write_text(text, encoding="utf-8"))

    def markdown(self) -> str:
        """The summary as a table, and a line for each video that failed."""
        lines = ["| Metric | Mean | 95 % interval | Videos |", "| --- | --- | --- | --- |"]
        for name, found in self.summary.items():
            span = f"{found.low:.3g} to {found.high:.3g}"
            lines.append(f"| {name} | {found.mean:.3g} | {span} | {found.count} |")
        if self.failed:
            lines.append("")
            lines += [f"- failed: {s.item}, seed {s.seed}: {s.error}" for s in self.failed]
        return "\n".join(lines) + "\n"


def evaluate(
    make_video: MakeVideo,
    items: Sequence[Item],
    metrics: Mapping[str, Metric],
    seeds: Sequence[int] = (0,),
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Make and measure one video per item and seed.

    A video that cannot be made or measured is recorded with its error, and the others go on.

    Args:
        make_video: called as ``make_video(photo, motion, seed)``.
        items: (name, photo, motion); names are unique.
        metrics: by name; the names of their values are unique.
        seeds: of every item.
        on_progress: called after every video.

    Raises:
        InputError: nothing to do, or a name occurs twice.
        Cancelled: ``make_video`` was cancelled.
    """
    names = [name for name, _, _ in items]
    if not items or not metrics or not seeds:
        raise InputError(
            f"An evaluation needs items, metrics and seeds; got {len(items)}, {len(metrics)} and "
            f"{len(seeds)} of them."
        )
    for what, given in (("item", names), ("seed", [str(seed) for seed in seeds])):
        twice = sorted({one for one in given if given.count(one) > 1})
        if twice:
            raise InputError(f"An evaluation has the same {what} twice: {', '.join(twice)}.")
    scores = []
    for item in items:
        for seed in seeds:
            scores.append(_score(make_video, item, metrics, seed))
            if on_progress is not None:
                on_progress(len(scores), len(items) * len(seeds))
    return Evaluation(scores=tuple(scores))


def _score(make_video: MakeVideo, item: Item, metrics: Mapping[str, Metric], seed: int) -> Score:
    name, photo, motion = item
    try:
        video = make_video(photo, motion, seed)
        return Score(item=name, seed=seed, values=measure(video, motion, metrics))
    except Cancelled:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Score(item=name, seed=seed, error=reason)


def measure(video: Video, motion: Motion, metrics: Mapping[str, Metric]) -> dict[str, float]:
    """The values of all ``metrics`` for one video.

    Raises:
        InputError: two metrics name a value alike, or a value is not a finite number.
        PluginError: a metric broke.
    """
    frames = torch.from_numpy(video.frames.copy())
    values: dict[str, float] = {}
    for name, metric in metrics.items():
        for key, value in _measured(name, metric, frames, motion).items():
            if key in values or not math.isfinite(value):
                fault = "a value of another metric too" if key in values else "not a finite number"
                raise InputError(f"The metric {name!r} gives {key} = {value!r}, which is {fault}.")
            values[key] = float(value)
    return values


def _measured(name: str, metric: Metric, frames: Tensor, motion: Motion) -> Mapping[str, float]:
    try:
        return metric.measure(frames, motion)
    except (KinemaError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise PluginError(
            f"The metric {name!r} failed in measure(): {type(error).__name__}: {error}. Please "
            "report it to its authors."
        ) from error
