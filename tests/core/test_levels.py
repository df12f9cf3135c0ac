"""Levels, schedules of them, and the scalings of networks that see noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kinema.errors import InputError
from kinema.levels import Level, Schedule, edm_schedule, flow_schedule
from kinema.noise import draw_sigma, v_loss_weight, v_preconditioning

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
