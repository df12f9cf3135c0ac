"""Schedules, preconditioning, guidance and the loop, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import torch
from torch import Tensor

from kinema.config import SampleConfig, from_mapping
from kinema.errors import Cancelled, InputError
from kinema.noise import (
    draw_sigma,
    edm_schedule,
    frame_guidance,
    guide,
    v_loss_weight,
    v_preconditioning,
)
from kinema.sampling import draw_noise, guidance_terms, sample
from kinema.testing import ToyBackbone


class Gaussian(ToyBackbone):
    """A backbone that knows the exact denoiser of N(mean, std^2) per term."""

    def __init__(self, mean: float = 0.4, std: float = 0.5) -> None:
        super().__init__()
        self.mean, self.std = mean, std
        self.calls: list[list[Any]] = []

    def denoise(self, latents: Tensor, sigma: Tensor, embeddings: Sequence[Any]) -> Tensor:
        self.calls.append(list(embeddings))
        ratio = self.std**2 / (self.std**2 + sigma**2)
        means: list[float] = [self.mean * item for item in embeddings]
        terms: list[Tensor] = [mean + ratio * (latents - mean) for mean in means]
        stacked: Tensor = torch.stack(terms)
        return stacked


def exact(noise: Tensor, config: SampleConfig, mean: float, std: float) -> Tensor:
    """The probability-flow ODE of a Gaussian has a closed form."""
    start = noise * math.sqrt(1 + config.sigma_max**2)
    return mean + (start - mean) * std / math.sqrt(std**2 + config.sigma_max**2)


def test_the_schedule_is_the_published_one() -> None:
    sigmas = edm_schedule(25)
    assert sigmas.shape == (26,)
    assert sigmas[0] == pytest.approx(700.0, rel=1e-6)
    assert sigmas[24] == pytest.approx(0.002, rel=1e-4)
    assert sigmas[25] == 0
    # Karras et al. 2022, equation 5, for i = 12 of 24.
    middle = ((700 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7
    assert sigmas[12] == pytest.approx(middle, rel=1e-5)


def test_preconditioning_matches_its_definition() -> None:
    scalings = v_preconditioning(torch.tensor(2.0))
    assert float(scalings.c_skip) == pytest.approx(0.2)
    assert float(scalings.c_out) == pytest.approx(-2 / 5**0.5)
    assert float(scalings.c_in) == pytest.approx(1 / 5**0.5)
    assert float(scalings.c_noise) == pytest.approx(0.25 * 0.6931472)
    assert float(v_loss_weight(torch.tensor(2.0))) == pytest.approx(1.25)


def test_training_levels_follow_the_published_distribution() -> None:
    logs = draw_sigma(20000, torch.Generator().manual_seed(0)).log()
    assert float(logs.mean()) == pytest.approx(0.7, abs=0.05)
    assert float(logs.std()) == pytest.approx(1.6, abs=0.05)


def test_guidance_grows_over_the_frames() -> None:
    scale = frame_guidance(4, 1.0, 2.5)
    assert scale.flatten().tolist() == pytest.approx([1.0, 1.5, 2.0, 2.5])
    predictions = {"conditional": torch.ones(1, 4, 1, 1, 1), "unconditional": torch.zeros(1)}
    assert torch.equal(guide(predictions, scale).flatten(), scale.flatten())  # type: ignore[arg-type]


def test_motion_guidance_adds_the_way_from_no_motion() -> None:
    one, zero = torch.ones(1, 2, 1, 1, 1), torch.zeros(1, 2, 1, 1, 1)
    guided = guide({"conditional": one, "motion-free": zero}, one, motion_scale=1.5)
    assert guided.flatten().tolist() == [1.5, 1.5]


def error_of(sampler: str, steps: int) -> float:
    config = SampleConfig(steps=steps, sampler=sampler, guidance_max=1.0, sigma_max=80.0)  # type: ignore[arg-type]
    noise = draw_noise((2, 3, 4, 4), [0])
    found = sample(Gaussian(), {"conditional": 1.0}, noise, config)
    return float((found - exact(noise, config, 0.4, 0.5)).abs().max())


@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
def test_the_samplers_solve_the_ode_at_their_order(sampler: str, order: int) -> None:
    coarse, fine = error_of(sampler, 40), error_of(sampler, 80)
    assert coarse / fine == pytest.approx(2**order, rel=0.15)
    assert fine < 0.1


def test_heun_is_more_accurate_than_euler_at_equal_cost() -> None:
    assert error_of("heun", 20) < error_of("euler", 40)


def test_all_terms_are_evaluated_in_one_call_per_step() -> None:
    backbone = Gaussian()
    config = SampleConfig(steps=6, motion_guidance=1.5)
    embeddings: Any = {"conditional": 1.0, "unconditional": 0.0, "motion-free": 0.5}
    sample(backbone, embeddings, draw_noise((2, 3, 4, 4), [0]), config)
    assert backbone.calls == [[1.0, 0.0, 0.5]] * 6


def test_outside_the_guidance_interval_the_unconditional_term_is_not_evaluated() -> None:
    backbone = Gaussian()
    config = SampleConfig(steps=10, guidance_start=0.2, guidance_stop=0.6)
    embeddings: Any = {"conditional": 1.0, "unconditional": 0.0}
    sample(backbone, embeddings, draw_noise((2, 3, 4, 4), [0]), config)
    assert [len(call) for call in backbone.calls] == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1]


def test_the_terms_follow_the_config() -> None:
    assert guidance_terms(SampleConfig()) == ("conditional", "unconditional")
    assert guidance_terms(SampleConfig(guidance_max=1.0)) == ("conditional",)
    assert guidance_terms(SampleConfig(motion_guidance=2.0))[-1] == "motion-free"


def test_a_video_has_the_same_noise_in_every_batch() -> None:
    alone = draw_noise((2, 3, 4, 4), [5])
    together = draw_noise((2, 3, 4, 4), [1, 5, 9])
    assert torch.equal(alone[0], together[1])
    assert not torch.equal(together[0], together[1])


def test_a_run_is_cancelled_between_steps() -> None:
    steps: list[int] = []
    with pytest.raises(Cancelled, match=r"^The run was cancelled after 3 of 8 steps\.$"):
        sample(
            Gaussian(),
            {"conditional": 1.0},
            draw_noise((2, 3, 4, 4), [0]),
            SampleConfig(steps=8),
            after_step=lambda step, total, latents: steps.append(step),
            cancel=lambda: len(steps) == 3,
        )
    assert steps == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"sampler": "ddim"}, "Unknown sampler 'ddim'|sampler"),
        ({"sigma_min": 800}, "The schedule needs 0 < sigma_min < sigma_max"),
        ({"guidance_start": 0.8, "guidance_stop": 0.2}, "guidance interval needs 0 <= start"),
        ({"rho": float("nan")}, "must be finite numbers: rho"),
        ({"step": 3}, r"The config of sampling has no option 'step'\. Did you mean 'steps'\?"),
        ({"steps": "many"}, "invalid value for type, expected int"),
    ],
)
def test_bad_sampling_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_mapping(SampleConfig, options, "The config of sampling")


@attrs.frozen(kw_only=True)
class Several:
    widths: tuple[int, ...] = ()
    name: str = ""


@pytest.mark.parametrize(
    ("given", "expected"), [("32, 64", (32, 64)), ("32", (32,)), ("", ()), ([1, 2], (1, 2))]
)
def test_words_are_split_where_several_are_asked_for(
    given: object, expected: tuple[int, ...]
) -> None:
    assert from_mapping(Several, {"widths": given, "name": "a,b"}, "It") == Several(
        widths=expected, name="a,b"
    )
