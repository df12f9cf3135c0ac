"""Every suite refuses a plugin that breaks the promise: wrong ones, each wrong in one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from kinema import Motion
from kinema.errors import InputError
from kinema.interfaces import Actions, Scene, Site
from kinema.signals import MotionSignal, Observation
from kinema.testing import (
    BackboneContract,
    ConditionContract,
    ControllerContract,
    MetricContract,
    ToyBackbone,
)


def fails(suite: Any, test: str, *arguments: Any) -> None:
    with pytest.raises((AssertionError, InputError)):
        getattr(suite(), test)(*arguments)


def suite_of(contract: type[Any], make: Callable[[], Any], **more: Any) -> type[Any]:
    return type("Suite", (contract,), {"make": lambda self: make(), **more})


# -- conditions -----------------------------------------------------------------------------------


class Tracks:
    """A right condition of tracks; subclasses go wrong."""

    channels: tuple[str, ...] = ()

    def signal(self, frames: int, like: float) -> MotionSignal:
        steps = torch.arange(frames, dtype=torch.float32)[:, None, None]
        return MotionSignal(
            tracks=torch.full((1, 3, 2), 20.0) + like * steps,
            visible=torch.ones(frames, 3, dtype=torch.bool),
        )

    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        return self.signal(scene.frames, 1.0)

    def from_observation(self, seen: Observation, generator: torch.Generator) -> MotionSignal:
        return self.signal(len(seen.displacement), float(torch.rand((), generator=generator)))


class WrongLength(Tracks):
    def signal(self, frames: int, like: float) -> MotionSignal:
        return super().signal(frames + 1, like)


class Lottery(Tracks):
    def signal(self, frames: int, like: float) -> MotionSignal:
        return super().signal(frames, float(torch.rand(())))


class OneFace(Tracks):
    channels = ("mask",)

    def from_observation(self, seen: Observation, generator: torch.Generator) -> MotionSignal:
        return MotionSignal(maps=torch.zeros(6, 1, 64, 96), channels=self.channels)


class StillCamera(Tracks):
    def from_motion(self, motion: Motion, scene: Scene) -> MotionSignal:
        return self.signal(scene.frames, 0.0)


class TestRightTracks(ConditionContract):
    def make(self) -> Tracks:
        return Tracks()


@pytest.mark.parametrize(
    ("condition", "test", "arguments"),
    [
        (WrongLength, "test_maps_have_the_promised_form", (5,)),
        (WrongLength, "test_an_observation_gives_the_same_form", ()),
        (Lottery, "test_a_motion_always_gives_the_same_signal", ()),
        (Lottery, "test_all_randomness_comes_from_the_generator", ()),
        (OneFace, "test_an_observation_gives_the_same_form", ()),
        (StillCamera, "test_a_camera_path_is_expressed_or_refused", ()),
    ],
)
def test_a_wrong_condition_is_refused(
    condition: type[Any], test: str, arguments: tuple[Any, ...]
) -> None:
    fails(suite_of(ConditionContract, condition), test, *arguments)


# -- controllers ----------------------------------------------------------------------------------


class Acts:
    """Acts at one site, and so is not neutral."""

    def __init__(self, site: str) -> None:
        self.site = site

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        if not sites:
            raise InputError("no sites")
        return {self.site: lambda tensor, *step: tensor * 1.5 + 0.1}


@pytest.mark.parametrize("site", [site.name for site in ToyBackbone.sites])
def test_a_controller_that_acts_at_once_is_not_neutral(site: str) -> None:
    """It was not noticed where it acted at the noise, or on the sample of a step."""
    suite = suite_of(ControllerContract, lambda: Acts(site))
    fails(suite, "test_a_fresh_controller_changes_nothing")
    honest = suite_of(ControllerContract, lambda: Acts(site), neutral_at_start=False)
    honest().test_a_controller_that_is_not_neutral_changes_the_video()


class Idle(Acts):
    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        return {"features": lambda tensor: tensor}


def test_a_controller_that_says_it_acts_and_does_not_is_refused() -> None:
    suite = suite_of(ControllerContract, lambda: Idle("features"), neutral_at_start=False)
    fails(suite, "test_a_controller_that_is_not_neutral_changes_the_video")


class OfTracks(Acts):
    """Reads tracks alone."""

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        if not sites or signal.tracks is None:
            raise InputError("no tracks or no sites")
        shift = (signal.tracks[-1] - signal.tracks[0]).mean()
        return {"image-latent": lambda latents: latents + shift}


class TestAControllerOfTracks(ControllerContract):
    neutral_at_start = False

    def make(self) -> OfTracks:
        return OfTracks("image-latent")

    def signal(self) -> MotionSignal:
        return Tracks().signal(5, 1.0)


# -- backbones ------------------------------------------------------------------------------------


class Deaf(ToyBackbone):
    """Lists a site at which it calls nobody."""

    sites = (*ToyBackbone.sites, Site(name="ear", kind="image-latent", channels=3, stride=8))


class Whisper(ToyBackbone):
    """Hands over one image latent for all frames, as if there were one."""

    def embed(self, request: Any) -> Any:
        def one(action: Any) -> Any:
            return lambda latent: action(latent[:, :1]).expand_as(latent)

        terms = {
            term: {
                name: one(act) if name == "image-latent" else act for name, act in actions.items()
            }
            for term, actions in request.terms.items()
        }
        return super().embed(attrs.evolve(request, terms=terms))


class Restless(ToyBackbone):
    """Its nearest form is not its own nearest."""

    def nearest(self, size: tuple[int, int], frames: int) -> tuple[tuple[int, int], int]:
        return (size[0] + 8, size[1]), frames + 1


@pytest.mark.parametrize(
    ("backbone", "test", "arguments"),
    [
        (Deaf, "test_every_site_that_is_listed_is_acted_on", ()),
        (Whisper, "test_every_site_that_is_listed_is_acted_on", ()),
        (Restless, "test_the_nearest_form_is_one_it_makes", ((50, 70), 7)),
        (Restless, "test_it_makes_the_tested_form", ()),
    ],
)
def test_a_wrong_backbone_is_refused(
    backbone: type[Any], test: str, arguments: tuple[Any, ...]
) -> None:
    fails(suite_of(BackboneContract, backbone), test, *arguments)


# -- metrics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_metric_without_a_finite_number_is_refused(value: float) -> None:
    class Endless:
        def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
            return {"endless": value}

    fails(suite_of(MetricContract, Endless), "test_it_gives_named_finite_numbers")
