"""The controllers latent-copy (Wan-Move) and latent-splat (ATI), on published numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.interfaces import Guidance
from kinema.levels import Level, Schedule, flow_schedule
from kinema.sampling import sample
from kinema_backbones.control.latent_copy import copy_latents, latent_cells
from kinema_backbones.control.latent_splat import splat_latents
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import unipc

REFERENCE = Path(__file__).parents[1] / "reference" / "wan"


@pytest.fixture(scope="module")
def found() -> dict[str, Tensor]:
    with np.load(REFERENCE / "control.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def of(found: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in found.items() if k.startswith(f"{name}.")}


# -- latent-copy ----------------------------------------------------------------------------------


def test_tracks_are_in_the_published_cells(found: dict[str, Tensor]) -> None:
    core = of(found, "wan_move_core")
    places = core["track_pos_yx"]
    wanted = torch.where(places[..., 0] < 0, -1, places[..., 0] * 20 + places[..., 1])
    assert torch.equal(latent_cells(core["tracks_xy"], core["visibility"], (12, 20)), wanted.T)


@pytest.mark.parametrize(
    ("late", "wanted"), [("published", "edited"), ("drop", "edited_without_late_starters")]
)
def test_cells_are_copied_as_published(found: dict[str, Tensor], late: Any, wanted: str) -> None:
    core = of(found, "wan_move_core")
    before = core["latent"].clone()
    edited = copy_latents(core["latent"], core["tracks_xy"], core["visibility"], 8, late)
    assert torch.equal(edited, core[wanted])
    assert torch.equal(core["latent"], before)


def test_the_last_of_the_tracks_wins_a_shared_cell(found: dict[str, Tensor]) -> None:
    core = of(found, "wan_move_core")
    order = core["shuffled_order"]
    edited = copy_latents(
        core["latent"], core["tracks_xy"][:, order], core["visibility"][:, order], 8, "published"
    )
    assert torch.equal(edited, core["shuffled_edited"])


def test_a_size_that_no_cell_divides_is_cut(found: dict[str, Tensor]) -> None:
    odd = of(found, "wan_move_odd_size")
    edited = copy_latents(odd["latent"], odd["tracks_xy"], odd["visibility"])
    assert torch.equal(edited, odd["edited"])
    beyond = odd["tracks_xy"].clone()
    beyond[..., 0] = 74.0  # inside the image, in the cell that is cut off
    assert torch.equal(copy_latents(odd["latent"], beyond, odd["visibility"]), odd["latent"])


def test_shorter_tracks_leave_the_rest_and_longer_ones_are_refused() -> None:
    latents = torch.arange(2 * 4 * 3 * 3.0).view(2, 4, 3, 3)
    tracks = torch.zeros(5, 1, 2)
    tracks[4] = 20.0
    visible = torch.ones(5, 1, dtype=torch.bool)
    edited = copy_latents(latents, tracks, visible)
    assert torch.equal(edited[:, 1, 2, 2], latents[:, 0, 0, 0])
    assert torch.equal(edited[:, 2:], latents[:, 2:])
    with pytest.raises(InputError, match="Tracks of 5 frames reach 2 latent frames"):
        copy_latents(latents[:, :1], tracks, visible)


def test_a_hidden_place_may_be_anything_and_a_visible_one_not() -> None:
    latents = torch.rand(2, 2, 3, 3)
    tracks = torch.full((5, 1, 2), torch.nan)
    hidden = torch.zeros(5, 1, dtype=torch.bool)
    assert torch.equal(copy_latents(latents, tracks, hidden), latents)
    with pytest.raises(InputError, match="not finite where it is visible"):
        copy_latents(latents, tracks, ~hidden)


# -- latent-splat ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["ati_splat", "ati_splat_large_grid", "ati_splat_tall_one_track"])
def test_splats_are_the_published_ones(found: dict[str, Tensor], case: str) -> None:
    splat = of(found, case)
    height, width = splat["condition_in"].shape[-2:]
    canvas = (width * 8, height * 8)
    places = splat["tracks"][..., 1:3] * min(canvas) / 2 + torch.tensor(canvas) / 2
    visible = (splat["tracks"][..., 3] + 1) / 2
    made = splat_latents(splat["condition_in"], places, visible, canvas)
    assert float((made - splat["condition_out"]).abs().max()) <= 2e-5
    if "condition_out_temperature50_topk3" in splat:
        other = splat_latents(splat["condition_in"], places, visible, canvas, 50.0, 3)
        wanted = splat["condition_out_temperature50_topk3"]
        assert float((other - wanted).abs().max()) <= 2e-5


def test_tracks_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match="2 latent frames take tracks of 5 frames, got 9"):
        splat_latents(torch.rand(6, 2, 3, 3), torch.zeros(9, 1, 2), torch.ones(9, 1), (24, 24))


def test_no_track_changes_only_the_mask() -> None:
    condition = torch.rand(6, 2, 3, 3)
    made = splat_latents(condition, torch.zeros(5, 0, 2), torch.zeros(5, 0), (24, 24))
    assert torch.equal(made[4:], condition[4:])
    assert float(made[:4, 1:].abs().max()) == 0.0


# -- whole published calls ------------------------------------------------------------------------


class Standin:
    """The published call with its stand-in network, as far as the sampling loop needs it."""

    device = torch.device("cpu")

    def __init__(self, record: dict[str, Any], given: dict[str, Tensor], condition: Tensor) -> None:
        self.record, self.given, self.condition = record, given, condition

    def schedule(self, config: SampleConfig) -> Schedule:
        return flow_schedule(config.steps, self.record["shift"], "unipc-published")

    def guidance(self, config: SampleConfig, schedule: Schedule, frames: int) -> Guidance:
        return Guidance.constant(self.record["guidance"], schedule.steps)

    def start(self, noise: Tensor, level: Level) -> Tensor:
        return noise

    def denoise(self, latents: Tensor, level: Level, embeddings: Sequence[float]) -> Tensor:
        seen = torch.cat([latents[0].transpose(0, 1), self.condition])
        mixed = torch.einsum("oc,cthw->othw", self.given["toy_matrix"], seen).tanh()
        assert level.time is not None
        clean = []
        for shift in embeddings:
            velocity = mixed * (0.5 + level.time / 2000) + shift
            clean.append(latents - level.sigma * velocity.transpose(0, 1)[None])
        return torch.stack(clean)


@pytest.mark.parametrize("method", ["wan-move", "ati"])
def test_whole_published_calls_are_repeated(found: dict[str, Tensor], method: str) -> None:
    record = json.loads((REFERENCE / "models.json").read_text(encoding="utf-8"))["generate"][method]
    given = of(found, {"wan-move": "wan_move_generate", "ati": "ati_generate"}[method])
    width, height = record["image"]
    latents = given["vae_latent"]
    mask = torch.zeros(4, *latents.shape[1:])
    mask[:, 0] = 1.0
    if method == "wan-move":
        order = given["write_order"]
        canvas = torch.tensor([latents.shape[-1] * 8 / width, latents.shape[-2] * 8 / height])
        places = (given["tracks_xy"][0] * canvas)[:, order]
        visible = given["visibility"][0][:, order]
        edited = copy_latents(latents, places, visible, 8, "published")
        condition, wanted = torch.cat([mask, edited]), given["condition_cond_half"]
    else:
        places = given["tracks"][..., 1:3] * min(width, height) / 2
        places = places + torch.tensor([width, height]) / 2
        visible = (given["tracks"][..., 3] + 1) / 2
        condition = splat_latents(torch.cat([mask, latents]), places, visible, (width, height))
        wanted = given["condition"]
    assert float((condition - wanted).abs().max()) <= (0 if method == "wan-move" else 2e-5)
    standin: Any = Standin(record, given, condition)
    terms: Any = {"conditional": 0.02, "unconditional": -0.01}
    noise = given["initial_noise"].transpose(0, 1)[None]
    made = sample(standin, terms, noise, SampleConfig(steps=4), solver=unipc(UniPCConfig()))
    assert float((made[0].transpose(0, 1) - given["final_latent"]).abs().max()) <= 1e-4
