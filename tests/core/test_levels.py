"""Levels, schedules of them, and the scalings of networks that see noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.config import FlowTraining
from kinema.errors import InputError
from kinema.levels import Level, Schedule, edm_schedule, flow_schedule
from kinema.noise import (
    Streams,
    draw_flow_levels,
    draw_flow_sigma,
    draw_sigma,
    flow_loss_weight,
    v_loss_weight,
    v_preconditioning,
)

REFERENCE = Path(__file__).parents[1] / "reference"
PUBLISHED = json.loads((REFERENCE / "flow_schedules.json").read_text(encoding="utf-8"))["schedules"]


# -- levels ---------------------------------------------------------------------------------------


def test_a_level_mixes_clean_latents_and_noise() -> None:
    clean, noise = torch.full((2, 3, 1, 1, 1), 2.0), torch.full((2, 3, 1, 1, 1), 10.0)
    mixed = Level(torch.tensor(0.5), torch.tensor(0.25)).noisy(clean, noise)
    assert mixed.flatten().tolist() == [3.5] * 6
    each = Level(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).noisy(clean, noise)
    assert each[0].flatten().tolist() == [2.0] * 3
    assert each[1].flatten().tolist() == [10.0] * 3


def test_the_two_families_are_levels() -> None:
    sigma = torch.tensor([0.25, 1.0])
    exploding, flow = Level.exploding(sigma), Level.flow(sigma)
    assert exploding.alpha.tolist() == [1.0, 1.0]
    assert flow.alpha.tolist() == [0.75, 0.0]
    assert exploding.sigma is flow.sigma is sigma


def test_a_level_goes_to_a_device_whole() -> None:
    level = Level(torch.tensor(0.5), torch.tensor(0.5), torch.tensor(500.0)).to("meta")
    assert level.time is not None
    assert {t.device.type for t in (level.alpha, level.sigma, level.time)} == {"meta"}
    assert Level.flow(torch.tensor(0.5)).to("meta").time is None


# -- schedules ------------------------------------------------------------------------------------


def test_a_schedule_is_levels_from_noise_to_clean() -> None:
    schedule = Schedule(
        torch.tensor([0.0, 0.5, 1.0]), torch.tensor([1.0, 0.5, 0.0]), torch.tensor([999.0, 500, 0])
    )
    assert schedule.steps == 2
    levels = [schedule[index] for index in range(3)]
    assert [(float(one.alpha), float(one.sigma)) for one in levels] == [(0, 1), (0.5, 0.5), (1, 0)]
    assert [None if one.time is None else float(one.time) for one in levels] == [999, 500, 0]
    assert Schedule.exploding(torch.tensor([3.0, 0.0]))[0].time is None


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            (torch.ones(3), torch.zeros(2)),
            r"^A schedule needs at least 2 levels, one alpha and one sigma each; got the shapes "
            r"\[\(2,\), \(3,\)\]\.$",
        ),
        ((torch.ones(1), torch.zeros(1)), r"at least 2 levels, .* got the shapes \[\(1,\)\]\."),
        ((torch.ones(2, 2), torch.zeros(2, 2)), r"got the shapes \[\(2, 2\)\]\."),
        ((torch.ones(2), torch.zeros(2), torch.zeros(3)), r"got the shapes \[\(2,\), \(3,\)\]\."),
        (
            (torch.ones(2), torch.tensor([2.0, 0.5])),
            r"^A schedule ends at sigma 0, the clean latents; this one ends at 0\.5\.$",
        ),
    ],
)
def test_what_is_no_schedule_is_refused(tensors: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Schedule(*tensors)


def test_the_edm_schedule_is_the_published_one() -> None:
    sigmas = edm_schedule(25)
    assert sigmas.shape == (26,)
    assert sigmas[0] == pytest.approx(700.0, rel=1e-6)
    assert sigmas[24] == pytest.approx(0.002, rel=1e-4)
    assert sigmas[25] == 0
    # Karras et al. 2022, equation 5, for i = 12 of 24.
    middle = ((700 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7
    assert sigmas[12] == pytest.approx(middle, rel=1e-5)


@pytest.mark.parametrize(
    "given", PUBLISHED, ids=lambda each: f"{each['spacing']}-{each['steps']}-{each['shift']}"
)
def test_flow_schedules_are_the_published_ones(given: Any) -> None:
    made = flow_schedule(given["steps"], given["shift"], given["spacing"])
    assert torch.allclose(made.sigmas, torch.tensor(given["sigmas"]), atol=1e-7, rtol=0)
    assert torch.allclose(made.alphas, 1.0 - made.sigmas, atol=1e-7, rtol=0)
    assert made.times is not None
    times = torch.tensor(given["times"])
    if given["spacing"] == "euler":
        assert torch.allclose(made.times[:-1], times, rtol=1e-6)
    else:  # whole numbers, which are right or wrong
        assert torch.equal(made.times[:-1], times)


@pytest.mark.parametrize("spacing", ["unipc", "unipc-published", "euler"])
@pytest.mark.parametrize("steps", [1, 7])
def test_every_flow_schedule_falls_from_noise_to_clean(spacing: str, steps: int) -> None:
    made = flow_schedule(steps, 5.0, spacing)
    assert made.steps == steps
    assert bool((made.sigmas.diff() < 0).all())
    assert bool((made.alphas.diff() > 0).all())
    assert float(made.sigmas[0]) <= 1.0
    assert (float(made.alphas[-1]), float(made.sigmas[-1])) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((0, 1.0, "euler"), r"^A flow schedule needs at least 1 step and a positive shift; got 0 "),
        ((4, 0.0, "euler"), r"got 4 and 0\.0\.$"),
        ((4, float("nan"), "euler"), r"got 4 and nan\.$"),
        (
            (4, 1.0, "unipcs"),
            r"^Unknown spacing 'unipcs'\. Did you mean 'unipc'\? Choose one of: unipc, "
            r"unipc-published, euler\.$",
        ),
    ],
)
def test_bad_flow_schedules_are_named(options: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        flow_schedule(*options)


# -- what networks are told of them ---------------------------------------------------------------


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


# -- training by flow matching --------------------------------------------------------------------


def drawn(count: int = 20_000, **options: Any) -> Tensor:
    return draw_flow_sigma(count, torch.Generator().manual_seed(0), FlowTraining(**options))


def test_levels_of_training_are_drawn_by_name() -> None:
    quarters = torch.tensor([0.25, 0.5, 0.75])
    shifted = 3 * quarters / (1 + 2 * quarters)
    normal = torch.sigmoid(0.5 + 2.0 * torch.special.ndtri(quarters))
    wanted = {
        "uniform": quarters,
        "shifted": shifted,
        "logit-normal": normal,
        "shifted-logit-normal": 3 * normal / (1 + 2 * normal),
    }
    for levels, expected in wanted.items():
        found = drawn(levels=levels, shift=3.0, logit_mean=0.5, logit_std=2.0)
        torch.testing.assert_close(found.quantile(quarters), expected, atol=0.02, rtol=0)
        assert 0.001 <= float(found.min()) < float(found.max()) < 1


@pytest.mark.parametrize("levels", ["uniform", "shifted", "logit-normal", "shifted-logit-normal"])
def test_a_range_of_levels_keeps_the_distribution_within(levels: str) -> None:
    options: dict[str, Any] = {"levels": levels, "shift": 5.0}
    every = drawn(80_000, **options)
    within = every[(every >= 0.9) & (every <= 0.97)]
    found = drawn(**options, least_level=0.9, most_level=0.97)
    assert 0.9 - 1e-6 <= float(found.min()) < float(found.max()) <= 0.97 + 1e-6
    quarters = torch.tensor([0.1, 0.5, 0.9])
    torch.testing.assert_close(
        found.quantile(quarters), within.quantile(quarters), atol=0.005, rtol=0
    )


def test_the_flow_loss_is_that_of_the_velocity() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise, velocity = torch.randn(3, 2, 2, 4, 3, 3, generator=generator)
    level, weight = draw_flow_levels(FlowTraining(), [Streams("0"), Streams("1")])
    sigma = level.sigma.view(-1, 1, 1, 1, 1)
    predicted = level.noisy(clean, noise) - sigma * velocity
    error = weight * (predicted - clean).square().mean(dim=(1, 2, 3, 4))
    own = (velocity - (noise - clean)).square().mean(dim=(1, 2, 3, 4))
    torch.testing.assert_close(error, own, rtol=1e-3, atol=1e-4)
    assert flow_loss_weight(torch.tensor(0.5)) == 4.0


def test_a_clip_has_its_own_level_and_a_validation_one_for_all() -> None:
    streams = [Streams("a"), Streams("b")]
    both, _ = draw_flow_levels(FlowTraining(), streams)
    alone, _ = draw_flow_levels(FlowTraining(), streams[1:])
    assert both.sigma[1] == alone.sigma[0] != both.sigma[0]
    fixed, weight = draw_flow_levels(FlowTraining(), streams, at=3.0)
    assert fixed.sigma.tolist() == [0.75, 0.75]
    torch.testing.assert_close(fixed.sigma / fixed.alpha, torch.tensor([3.0, 3.0]))
    torch.testing.assert_close(weight, torch.tensor([16 / 9, 16 / 9]))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"levels": "logitnormal"}, "Did you mean 'logit-normal'"),
        ({"shift": 0.0}, "shift = 0.0"),
        ({"logit_std": float("inf")}, "logit_std = inf"),
        ({"least_level": 0.9, "most_level": 0.5}, "least_level = 0.9"),
        ({"most_level": 1.5}, "most_level = 1.5"),
    ],
)
def test_levels_that_cannot_be_drawn_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        FlowTraining(**options)
