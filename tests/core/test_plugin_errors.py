"""A plugin that breaks in the middle of a run is named, and what it raised is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import kinema
from kinema.errors import Cancelled, InputError, KinemaError, MotionError, PluginError
from kinema.evaluation import evaluate, measure
from kinema.interfaces import Actions, Scene, Site, StepAction
from kinema.media.video import Video
from kinema.offers import ConditionOffer, ControllerOffer, DepthEstimatorOffer
from kinema.signals import MotionSignal
from kinema.testing.toys import ToyShift

MOTION = kinema.Motion(canvas=(96, 64), drags=[kinema.Drag([(40, 30), (64, 30)])])

Pixels = NDArray[np.uint8]

Fail = Callable[..., Any]


def failing(error: BaseException) -> Fail:
    def fail(*inputs: Any, **options: Any) -> Any:
        raise error

    return fail


class Broken(ToyShift):
    """Breaks where it is asked for a signal, or where it asks for the depth."""

    def __init__(self, from_motion: Fail | None) -> None:
        self.broken = from_motion

    def from_motion(self, motion: Any, scene: Any) -> MotionSignal:
        (self.broken or scene.depth)()
        return super().from_motion(motion, scene)


class Acts:
    """Acts at one site, or breaks before."""

    def __init__(self, site: str, act: Any, error: BaseException | None = None) -> None:
        self.site, self.act, self.error = site, act, error

    def actions(
        self, signal: MotionSignal, sites: Sequence[Site], scenes: Sequence[Scene]
    ) -> Actions:
        if self.error is not None:
            raise self.error
        return {self.site: self.act}


class BrokenDepth:
    def __init__(self, fail: Fail) -> None:
        self.estimate = fail


def run(photo: Pixels, **more: Any) -> kinema.Video:
    return kinema.animate(photo, MOTION, "toy", frames=2, sample={"steps": 2}, **more)


def controller(made: Any) -> ControllerOffer:
    return ControllerOffer(
        name="acts", summary="Acts.", factory=lambda _: made, conditions=("toy-shift",)
    )


def condition(made: Any) -> ConditionOffer:
    return ConditionOffer(name="broken", summary="Breaks.", factory=lambda _: made)


def blamed(kind: str, work: str) -> str:
    return (
        rf"^The {kind} of kinema-theirs 1\.2 failed in {work}: ZeroDivisionError: by zero\. "
        r"Please report it to the authors of kinema-theirs\.$"
    )


def test_a_condition_that_breaks_is_named(offering: Any, photo: Pixels) -> None:
    error = ZeroDivisionError("by zero")
    offering("theirs", condition(Broken(failing(error))))
    with pytest.raises(PluginError, match=blamed("condition 'broken'", r"from_motion\(\)")) as told:
        run(photo, controller="toy-noise", conditions=["broken"])
    assert told.value.__cause__ is error
    assert told.value.exit_code == 1


def test_a_depth_estimator_that_breaks_is_named_itself(offering: Any, photo: Pixels) -> None:
    error = ZeroDivisionError("by zero")
    wall = DepthEstimatorOffer(
        name="wall", summary="A wall.", factory=lambda _: BrokenDepth(failing(error))
    )
    offering("theirs", wall)
    offering("asks", condition(Broken(None)))
    # The condition only asked.
    with pytest.raises(
        PluginError, match=blamed("depth estimator 'wall'", r"estimate\(\)")
    ) as told:
        run(photo, controller="toy-noise", conditions=["broken"], depth="wall")
    assert told.value.__cause__ is error


def test_a_controller_that_breaks_is_named(offering: Any, photo: Pixels) -> None:
    error = ZeroDivisionError("by zero")
    offering("theirs", controller(Acts("noise", None, error)))
    with pytest.raises(PluginError, match=blamed("controller 'acts'", r"actions\(\)")) as told:
        run(photo, controller="acts")
    assert told.value.__cause__ is error


SITES = [
    "features", "image-latent", "image-mask", "extra-channels", "noise", "network-input",
    "sampler-step",
]  # fmt: skip


@pytest.mark.parametrize("site", SITES)
def test_an_action_that_breaks_is_named_with_its_site(
    offering: Any, photo: Pixels, site: str
) -> None:
    error = ZeroDivisionError("by zero")
    offering("theirs", controller(Acts(site, failing(error))))
    with pytest.raises(
        PluginError, match=blamed("controller 'acts'", f"its action at the site '{site}'")
    ) as told:
        run(photo, controller="acts")
    assert told.value.__cause__ is error


def test_a_step_action_that_breaks_is_named_too(offering: Any, photo: Pixels) -> None:
    error = ZeroDivisionError("by zero")
    offering("theirs", controller(Acts("sampler-step", StepAction(failing(error), first=1))))
    with pytest.raises(PluginError, match=r"its action at the site 'sampler-step'") as told:
        run(photo, controller="acts")
    assert told.value.__cause__ is error


@pytest.mark.parametrize(
    ("made", "told"), [(None, r"\('None',\)"), (torch.zeros(3, 8, 12), r"\(3, 8, 12\)")]
)
def test_an_action_that_gives_something_else_is_named(
    offering: Any, photo: Pixels, made: Any, told: str
) -> None:
    # Such a shape would spread over the batch without a word.
    offering("theirs", controller(Acts("image-latent", lambda latent: made)))
    with pytest.raises(
        PluginError,
        match=rf"^The controller 'acts' of kinema-theirs 1\.2 makes {told} of \(1, 2, 3, 8, 12\) "
        r"at the site 'image-latent'; an action gives a tensor of the same shape\.$",
    ):
        run(photo, controller="acts")


OWN: list[BaseException] = [
    MotionError("a drag is too long"),
    InputError("this site is not for me"),
    KinemaError("enough"),
    Cancelled("the condition asked a person"),
    MemoryError("all of it"),
    torch.OutOfMemoryError("of the device"),
]


@pytest.mark.parametrize("error", OWN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["condition", "controller", "noise", "sampler-step"])
def test_errors_that_are_meant_pass_as_they_are(
    offering: Any, photo: Pixels, error: BaseException, place: str
) -> None:
    options: dict[str, Any] = {"controller": "acts"}
    if place == "condition":
        offering("theirs", condition(Broken(failing(error))))
        options = {"controller": "toy-noise", "conditions": ["broken"]}
    elif place == "controller":
        offering("theirs", controller(Acts("noise", None, error)))
    else:
        offering("theirs", controller(Acts(place, failing(error))))
    with pytest.raises(type(error)) as told:
        run(photo, **options)
    assert told.value is error


def test_a_person_who_interrupts_is_heard(offering: Any, photo: Pixels) -> None:
    offering("theirs", condition(Broken(failing(KeyboardInterrupt()))))
    with pytest.raises(KeyboardInterrupt):
        run(photo, controller="toy-noise", conditions=["broken"])


# -- metrics --------------------------------------------------------------------------------------


class Metric:
    def __init__(self, fail: Fail) -> None:
        self.measure = fail


VIDEO = Video(frames=np.zeros((2, 64, 96, 3), np.uint8), fps=8.0)


def test_a_metric_that_breaks_is_named() -> None:
    error = ZeroDivisionError("by zero")
    with pytest.raises(
        PluginError,
        match=r"^The metric 'theirs' failed in measure\(\): ZeroDivisionError: by zero\. Please "
        r"report it to its authors\.$",
    ) as told:
        measure(VIDEO, MOTION, {"theirs": Metric(failing(error))})
    assert told.value.__cause__ is error
    refused = MotionError("no drags")
    with pytest.raises(MotionError) as passed:
        measure(VIDEO, MOTION, {"theirs": Metric(failing(refused))})
    assert passed.value is refused


def test_an_evaluation_says_which_metric_broke(photo: Pixels) -> None:
    items: Iterable[Any] = [("one", photo, MOTION)]
    broken = Metric(failing(ZeroDivisionError("by zero")))
    found = evaluate(lambda *_: VIDEO, list(items), {"theirs": broken})
    assert found.scores[0].error == (
        "PluginError: The metric 'theirs' failed in measure(): ZeroDivisionError: by zero. Please "
        "report it to its authors."
    )
