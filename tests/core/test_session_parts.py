"""Naming the parts of a session: which conditions, and their options; names and folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import kinema
from kinema.checkpoints import ControllerRecord
from kinema.errors import InputError, WeightsError
from kinema.found import Source
from kinema.offers import ConditionOffer, ControllerOffer
from kinema.plugins import Plugins
from kinema.session.building import is_controller_folder
from kinema.signals import MotionSignal
from kinema.testing import toy_plugin
from kinema.testing.toys import ToyLatentController, ToyShift

MOTION = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (64, 30)])])
FEW = {"steps": 1}

Pixels = NDArray[np.uint8]


@attrs.frozen(kw_only=True)
class Strength:
    """Options of a condition."""

    factor: float = 1.0
    """Times the drags."""
    bend: float = 0.0
    """Of no effect."""


class Strong(ToyShift):
    def __init__(self, config: Strength) -> None:
        self.config = config

    def from_motion(self, motion: Any, scene: Any) -> MotionSignal:
        signal = super().from_motion(motion, scene)
        return attrs.evolve(signal, maps=signal.dense() * self.config.factor)


class Ones:
    """A mask of ones."""

    channels = ("mask",)

    def from_motion(self, motion: Any, scene: Any) -> MotionSignal:
        width, height = motion.canvas
        return MotionSignal(maps=torch.ones(scene.frames, 1, height, width), channels=("mask",))

    def from_observation(self, observation: Any, generator: Any) -> MotionSignal:
        raise AssertionError


class ReadsThree(ToyLatentController):
    """Needs dx, dy and a mask, in this order."""

    def actions(
        self, signal: MotionSignal, sites: Sequence[Any], scenes: Sequence[Any] = ()
    ) -> Any:
        if signal.channels != ("dx", "dy", "mask"):
            raise InputError(
                f"This controller reads 3 channels, but the signal has {signal.channels}"
            )
        return super().actions(signal, sites, scenes)


@attrs.frozen(kw_only=True)
class Weights:
    """Options of a controller."""

    weights: str = ""
    """Its folder."""
    gain: float = 1.0
    """Of no effect."""


@pytest.fixture(autouse=True)
def offered(offering: Any) -> None:
    [toy] = toy_plugin.kinema_backbones()
    offering(
        "more",
        ConditionOffer(name="strong", summary="Times a factor.", config=Strength, factory=Strong),
        ConditionOffer(name="ones", summary="Ones.", factory=lambda _: Ones()),
        ControllerOffer(
            name="three",
            summary="Reads three channels.",
            config=Weights,
            factory=lambda _: ReadsThree(),
            conditions=("strong", "ones"),
        ),
        attrs.evolve(toy, name="toy-that-reads", conditions=("strong",)),
    )


def configs_of(video: kinema.Video, role: str = "control condition") -> list[tuple[str, Any]]:
    assert video.manifest is not None
    return [(each["name"], each["config"]) for each in video.manifest.offers.get(role, [])]


def made(photo: Pixels, backbone: str = "toy", **more: Any) -> kinema.Video:
    return kinema.animate(photo, MOTION, backbone, frames=3, sample=FEW, **more)


# -- conditions -----------------------------------------------------------------------------------


def test_options_of_one_condition_leave_the_others_in_place(photo: Pixels) -> None:
    video = made(photo, controller="three", condition_options={"strong": {"factor": 2.0}})
    assert configs_of(video) == [("strong", {"factor": 2.0, "bend": 0.0}), ("ones", {})]
    assert not np.array_equal(video.frames, made(photo, controller="three").frames)


def test_conditions_are_chosen_by_name_in_channel_order(photo: Pixels) -> None:
    chosen = made(photo, controller="three", conditions=["toy-shift", "ones"])
    assert configs_of(chosen) == [("toy-shift", {}), ("ones", {})]
    assert np.array_equal(chosen.frames, made(photo, controller="three").frames)
    with pytest.raises(InputError, match=r"^This controller reads 3 channels, but the signal has"):
        made(photo, controller="three", conditions=["ones", "toy-shift"])


def test_a_choice_and_options_go_together(photo: Pixels) -> None:
    video = made(
        photo,
        controller="toy-latent",
        conditions=["strong"],
        condition_options={"strong": {"factor": 3.0}},
    )
    assert configs_of(video) == [("strong", {"factor": 3.0, "bend": 0.0})]


def test_a_backbones_own_conditions_have_options_too(photo: Pixels) -> None:
    options = {"strong": {"factor": 2.5}}
    video = made(photo, "toy-that-reads", condition_options=options)
    assert configs_of(video, "condition") == [("strong", {"factor": 2.5, "bend": 0.0})]
    assert configs_of(video) == []
    both = made(photo, "toy-that-reads", controller="three", condition_options=options)
    assert configs_of(both, "condition") == configs_of(both)[:1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"controller": "toy-latent", "condition_options": {"strong": {"factor": 2.0}}},
            r"^Options of the condition 'strong' are given, but nothing reads it\. The conditions "
            r"in use: toy-shift\.$",
        ),
        (
            {"condition_options": {"strong": {}}},
            r"nothing reads it\. The conditions in use: none\.$",
        ),
        (
            {"controller": "three", "condition_options": {"stron": {}}},
            r"^Unknown condition 'stron'\. Did you mean 'strong'\?",
        ),
        (
            {"controller": "three", "condition_options": {"strong": {"factr": 2}}},
            r"^The config of the condition 'strong' has no option 'factr'\. Did you mean 'factor'",
        ),
        (
            {"controller": "three", "conditions": {"strong": {"factor": 2.0}}},
            r"^conditions is a list of names, got dict; the options of conditions go into "
            r"condition_options\.$",
        ),
        (
            {"controller": "three", "conditions": "strong"},
            r"^conditions is a list of names, got st",
        ),
        (
            {"conditions": ["strong"]},
            r"^The conditions strong are named, but no controller that would read them\.$",
        ),
        (
            {"controller_options": {"gain": 2}},
            r"^Options of a controller are named, but no controller that would read them\.$",
        ),
        (
            {"controller": "three", "controller_options": {"gian": 2}},
            r"^The config of the controller 'three' has no option 'gian'\. Did you mean 'gain'\?",
        ),
    ],
)
def test_options_that_nothing_reads_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kinema.Session("toy", **options)


def test_a_rerun_keeps_a_choice_of_conditions_and_their_options(photo: Pixels) -> None:
    video = made(
        photo,
        "toy-that-reads",
        controller="three",
        conditions=["strong", "ones"],
        condition_options={"strong": {"factor": 1.5}},
        controller_options={"gain": 4.0},
    )
    assert video.manifest is not None
    again = kinema.rerun(video.manifest, photo=photo)
    assert again.manifest is not None
    assert again.manifest.offers == video.manifest.offers
    assert np.array_equal(again.frames, video.frames)


# -- names and folders ----------------------------------------------------------------------------


def test_a_folder_named_like_a_controller_does_not_shadow_it(
    photo: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "notes.txt").write_text("my experiments")
    assert not is_controller_folder("three")
    with kinema.Session("toy", controller="three", sample=FEW) as session:
        assert session.controller_name == "three"
        assert isinstance(session.controller, ReadsThree)
    # With a separator it is meant as a path, and holds no controller.
    with pytest.raises(WeightsError, match=r"three' is no controller folder: controller\.json can"):
        kinema.Session("toy", controller="./three")


def test_a_folder_that_holds_a_controller_needs_no_separator(
    photo: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record = ControllerRecord(
        controller="three",
        config={"gain": 7.0},
        conditions={"strong": {"factor": 2.0, "bend": 1.0}, "ones": {}},
    )
    (tmp_path / "mine").mkdir()
    record.write(tmp_path / "mine")
    assert is_controller_folder("mine")
    by_name = made(photo, controller="mine")
    assert configs_of(by_name) == [("strong", {"factor": 2.0, "bend": 1.0}), ("ones", {})]
    folder = str(tmp_path / "mine")
    assert configs_of(by_name, "controller") == [("three", {"weights": folder, "gain": 7.0})]
    # Options win one by one over those of training.
    changed = made(photo, controller="mine", condition_options={"strong": {"factor": 3.0}})
    assert configs_of(changed)[0] == ("strong", {"factor": 3.0, "bend": 1.0})


def test_a_name_that_is_neither_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"^Unknown controller 'thre'\. Did you mean 'three'\? Choose one of: three, "
        r"toy-feature, toy-latent, toy-noise\.",
    ):
        kinema.Session("toy", controller="thre")
    with pytest.raises(WeightsError, match=r"gone' is no controller folder"):
        kinema.Session("toy", controller=tmp_path / "gone")


def test_a_broken_plugin_does_not_hide_the_choices(toys: Plugins) -> None:
    toys._add(Source("bad", "kinema-bad", "1"), lambda: 1 / 0)
    with pytest.raises(InputError, match=r"^Unknown controller 'thre'\. Did you mean 'three'\? Ch"):
        kinema.Session("toy", controller="thre")
