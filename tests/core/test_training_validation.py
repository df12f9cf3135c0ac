"""Validation inside a training: fixed clips, fixed noise, videos of the motion that was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema import offers
from kinema.clips.clip import write_shard
from kinema.errors import InputError
from kinema.hooks import hookimpl
from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema.plugins import Plugins
from kinema.testing.toy_training import toy_clips, toy_training_plugin
from kinema.training.config import TrainConfig, parse_config
from kinema.training.loop import train

Recipe = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Brightness:
    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        assert frames.dtype == torch.uint8
        return {"mean": float(frames.float().mean()), "drags": float(len(motion.drags))}


class Watch:
    """Offers a metric, and keeps what validations found."""

    def __init__(self) -> None:
        self.found: list[tuple[int, Mapping[str, float], Mapping[str, Video]]] = []

    @hookimpl
    def kinema_metrics(self) -> Iterator[offers.MetricOffer]:
        yield offers.MetricOffer(
            name="brightness", summary="How bright it is.", factory=lambda _: Brightness()
        )

    @hookimpl
    def kinema_training_validated(
        self, step: int, values: Mapping[str, float], videos: Mapping[str, Video]
    ) -> None:
        self.found.append((step, values, videos))


@pytest.fixture
def watch(kinema_plugins: Plugins) -> Watch:
    kinema_plugins.register(toy_training_plugin, "toys")
    watching = Watch()
    kinema_plugins.register(watching, "watch")
    return watching


@pytest.fixture
def recipe(tmp_path: Path, watch: Watch) -> Recipe:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_shard(folder / "a.parquet", toy_clips(4), {"backbone": "toy-trainable"})

    def make(**validation: Any) -> TrainConfig:
        return parse_config(
            {
                "data": str(folder),
                "out": str(tmp_path / "run"),
                "backbone": "toy-trainable",
                "controller": "toy-trained",
                "steps": 2,
                "batch": 2,
                "events": ["watch"],
                "optimizer": {"learning_rate": 1e-12},
                "validation": {"every": 1, "clips": 3, "sample": {"steps": 2}, **validation},
            }
        )

    return make


def test_it_measures_the_same_thing_every_time(
    recipe: Recipe, watch: Watch, tmp_path: Path
) -> None:
    drawn: list[Motion] = []

    def draw_motion(frames: NDArray[np.uint8], motion: Motion) -> NDArray[np.uint8]:
        drawn.append(motion)
        return np.full_like(frames, 7)

    train(recipe(metrics=["brightness"], videos=2), draw_motion=draw_motion)
    (first, values, videos), (second, again, _) = watch.found
    assert (first, second) == (1, 2)
    assert values.keys() == {
        "validation_loss",
        "validation_loss/sigma-0.2",
        "validation_loss/sigma-1",
        "validation_loss/sigma-5",
        "brightness/mean",
        "brightness/drags",
    }
    assert again == pytest.approx(values, rel=1e-5)
    parts = [values[f"validation_loss/sigma-{sigma}"] for sigma in ("0.2", "1", "5")]
    assert values["validation_loss"] == pytest.approx(sum(parts) / 3)
    # The clip toy-0 does not move, so nothing can be dragged in it and nothing is scored.
    assert [bool(motion.drags) for motion in drawn[:2]] == [False, True]
    assert values["brightness/drags"] == len(drawn[1].drags)
    assert list(videos) == ["toy-0", "toy-1"]
    assert (videos["toy-0"].frames == 7).all()
    samples = tmp_path / "run" / "samples" / "step-000001"
    assert Video.load(samples / "toy-1.mp4").size == (32, 16)


def test_its_value_is_in_the_checkpoint(recipe: Recipe, watch: Watch) -> None:
    from kinema.training.state import read_record

    folder = train(recipe(videos=0))
    assert read_record(folder)["values"] == watch.found[-1][1]


def test_its_clips_may_lie_elsewhere(recipe: Recipe, watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    write_shard(tmp_path / "other" / "a.parquet", toy_clips(1), {"backbone": "toy-trainable"})
    train(recipe(data=str(tmp_path / "other"), every=2))
    assert list(watch.found[0][2]) == ["toy-0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["blur"]}, "Unknown metric 'blur'"),
        ({"sample": {"step": 2}}, r"\[validation.sample\] of the recipe has no option 'step'"),
        ({"data": "nowhere"}, "There is no folder 'nowhere'"),
        ({"sigmas": [0.0]}, r"validation are out of range: sigmas = \(0.0,\)"),
    ],
)
def test_bad_options_are_named(recipe: Recipe, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(recipe(**options))
