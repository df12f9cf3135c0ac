"""How the predictions of a step become one, and which terms a step asks for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kinema.interfaces import Guidance, frame_guidance
from kinema.interfaces.control import Term

ONE, ZERO = torch.ones(1, 4, 1, 1, 1), torch.zeros(1, 4, 1, 1, 1)


def test_guidance_grows_over_the_frames() -> None:
    scale = frame_guidance(4, 1.0, 2.5)
    assert scale.flatten().tolist() == pytest.approx([1.0, 1.5, 2.0, 2.5])
    predictions: dict[Term, Tensor] = {"conditional": ONE, "unconditional": torch.zeros(1)}
    guided = Guidance([scale]).combine(predictions, 0)
    assert torch.equal(guided.flatten(), scale.flatten())


def test_motion_guidance_adds_the_way_from_no_motion() -> None:
    guided = Guidance([None], motion=1.5).combine({"conditional": ONE, "motion-free": ZERO}, 0)
    assert guided.flatten().tolist() == [1.5] * 4
    both = Guidance([3.0], motion=1.5).combine(
        {"conditional": ONE, "unconditional": ZERO, "motion-free": 0.5 * ONE}, 0
    )
    assert both.flatten().tolist() == [3.25] * 4


def test_a_step_asks_for_what_it_combines() -> None:
    guidance = Guidance([None, 2.0], motion=2.0)
    assert guidance.terms_of(0) == ("conditional", "motion-free")
    assert guidance.terms_of(1) == ("conditional", "unconditional", "motion-free")
    assert guidance.terms == ("conditional", "unconditional", "motion-free")


def test_no_guidance_asks_for_the_conditional_term_alone() -> None:
    for guidance in (Guidance.none(3), Guidance.constant(1.0, 3)):
        assert guidance.terms == ("conditional",)
        assert guidance.combine({"conditional": ONE}, 2) is ONE


def test_a_constant_scale_guides_every_step() -> None:
    guidance = Guidance.constant(5.0, 3)
    assert [len(guidance.terms_of(step)) for step in range(3)] == [2, 2, 2]
    guided = guidance.combine({"conditional": ONE, "unconditional": ZERO}, 1)
    assert guided.flatten().tolist() == [5.0] * 4


@pytest.mark.parametrize(
    ("steps", "start", "stop", "guided"),
    [
        (10, 0.2, 0.6, [2, 3, 4, 5]),
        (10, 0.0, 1.0, list(range(10))),
        (4, 0.5, 1.0, [2, 3]),
        (4, 0.5, 0.5, []),
        (3, 0.0, 0.5, [0, 1]),
    ],
)
def test_an_interval_is_a_share_of_the_steps(
    steps: int, start: float, stop: float, guided: list[int]
) -> None:
    guidance = Guidance.over(2.0, steps, start, stop)
    assert len(guidance.scales) == steps
    assert [step for step in range(steps) if "unconditional" in guidance.terms_of(step)] == guided


def test_each_interval_may_have_its_own_scale() -> None:
    # Wan 2.2 guides its two experts, strong noise and weak, by different scales.
    guidance = Guidance([4.0, 4.0, 3.0])
    predictions: dict[Term, Tensor] = {"conditional": ONE, "unconditional": ZERO}
    assert [float(guidance.combine(predictions, step).mean()) for step in range(3)] == [4, 4, 3]


def test_a_prediction_that_was_not_made_is_not_combined() -> None:
    # A backbone whose embeddings lack a term goes on without it.
    assert Guidance([2.0], motion=3.0).combine({"conditional": ONE}, 0) is ONE
