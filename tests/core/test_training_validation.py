"""Validation inside a training: fixed clips, fixed noise, videos of the motion that was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinema import offers
from kinema.clips.clip import write_shard
from kinema.clips.dataset import ClipDataset
from kinema.errors import InputError, PluginError
from kinema.hooks import hookimpl
from kinema.interfaces import Actions, Adaptation, Scene, Site
from kinema.media.video import Video
from kinema.motion.motion import Motion
from kinema.plugins import Plugins
from kinema.session.session import Session
from kinema.signals import MotionSignal
from kinema.testing.toy_training import ToyTrained, toy_clips, toy_training_plugin
from kinema.training.config import TrainConfig, parse_config
from kinema.training.loop import train
from kinema.training.validation import motion_in

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


# -- what steers its videos -----------------------------------------------------------------------


class Steered(ToyTrained):
    """The trained toy, which also acts at one site more."""

    site = "noise"

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene] = ()
    ) -> Actions:
        if not scenes[0].frames or scenes[0].image is None:
            raise AssertionError("a scene lacks what is known of it")
        rise = signal.dense().abs().amax(dim=(-4, -3, -2, -1)).mean()

        def act(latents: Tensor, step: Any = None) -> Tensor:
            return latents + rise

        return {**super().actions(signal, sites, scenes), self.site: act}


@pytest.mark.parametrize("site", ["noise", "sampler-step", "network-input"])
def test_a_controller_acts_at_every_site_of_its_videos(
    recipe: Recipe, watch: Watch, kinema_plugins: Plugins, site: str, tmp_path: Path
) -> None:
    class Here(Steered):
        pass

    Here.site = site
    kinema_plugins.register(Offers(Here), "steered")
    config = recipe(clips=2, videos=2)
    for name in ("toy-trained", "steered"):
        train(attrs.evolve(config, controller=name, out=str(tmp_path / name), steps=1))
    (_, values, plain), (_, steered_values, steered) = watch.found
    # The clip toy-0 does not move, so the signal of its video is zero and nothing is added.
    assert np.array_equal(steered["toy-0"].frames, plain["toy-0"].frames)
    assert not np.array_equal(steered["toy-1"].frames, plain["toy-1"].frames)
    # No latents are sampled for the loss.
    assert steered_values["validation_loss"] == pytest.approx(values["validation_loss"])


class Offers:
    """Offers a controller."""

    def __init__(self, kind: type[ToyTrained]) -> None:
        self.kind = kind

    @hookimpl
    def kinema_controllers(self) -> Iterator[offers.ControllerOffer]:
        yield offers.ControllerOffer(
            name="steered",
            summary="Acts at one site more.",
            factory=lambda _: self.kind(),
            conditions=("toy-noisy-shift",),
        )


def test_its_videos_are_those_of_a_session(recipe: Recipe, watch: Watch, tmp_path: Path) -> None:
    config = recipe(clips=2, videos=2, sample={"steps": 3, "solver": "heun"})
    folder = train(attrs.evolve(config, steps=1, adaptation=Adaptation(method="none")))
    clip = ClipDataset(config.data)[1]
    motion = motion_in(clip, config.validation.points, 1)
    with Session(
        "toy-trainable",
        controller=folder / "controller",
        sample={"steps": 3, "solver": "heun"},
        device="cpu",
    ) as session:
        video = session.animate(clip.first_frame, motion, frames=clip.frames, fps=8, seed=1)
    assert np.array_equal(watch.found[0][2]["toy-1"].frames, video.frames)


def test_a_metric_that_breaks_is_named(
    recipe: Recipe, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(self: Brightness, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        raise ZeroDivisionError("no frames")

    monkeypatch.setattr(Brightness, "measure", measure)
    with pytest.raises(
        PluginError,
        match=r"^The metric 'brightness' of unknown 0 failed in measure\(\): ZeroDivision",
    ) as told:
        train(recipe(metrics=["brightness"]))
    assert isinstance(told.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["blur"]}, "Unknown metric 'blur'"),
        ({"sample": {"step": 2}}, r"\[validation.sample\] of the recipe has no option 'step'"),
        ({"sample": {"solver": "ddim"}}, r"^Unknown solver 'ddim'\. .*Choose one of: euler, heun"),
        ({"data": "nowhere"}, "There is no folder 'nowhere'"),
        ({"sigmas": [0.0]}, r"validation are out of range: sigmas = \(0.0,\)"),
    ],
)
def test_bad_options_are_named(recipe: Recipe, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(recipe(**options))
