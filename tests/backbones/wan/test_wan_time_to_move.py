"""Time-to-Move repeats its published runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kinema.interfaces import StepAction
from kinema_backbones.control.latent_config import TimeToMoveConfig
from kinema_backbones.control.time_to_move import Blending, latent_mask, resized_clip, resized_mask
from kinema_backbones.solver_configs import UniPCConfig
from kinema_backbones.solvers import unipc

CASES = [
    ("a14b", "unipc"),
    ("a14b", "unipc_old_spacing"),
    ("a14b", "order1"),
    ("a14b", "order1_old_spacing_tweak_minus1"),
    ("a14b", "order1_equal_indices"),
    ("a14b", "order1_to_last"),
    ("ti2v", "unipc"),
    ("ti2v", "order1"),
]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_published_runs_are_repeated(published: Any, name: str, case: str) -> None:
    found, record = published.numbers(name), published.models()[name]["ttm"]
    told = record["cases"][case]
    made = published.backbone(name, given="ttm")
    width, height = record["size"]
    clip = resized_clip(found["ttm.reference_video"][0].transpose(0, 1) / 255, height, width)
    white = found["ttm.reference_mask"][0].transpose(0, 1)
    mask = latent_mask(resized_mask(white, height, width), made.latent_stride, 4)
    assert torch.equal(mask.transpose(0, 1)[None], found["ttm.latent_mask"])
    reference = made.encode(clip[None])
    assert published.difference(reference.transpose(1, 2), found["ttm.reference_latents"]) <= 1e-5

    config = TimeToMoveConfig(clocks="step", weak=told["weak"], strong=told["strong"])
    noise = found["ttm.reference_noise"].transpose(1, 2)
    blending = Blending(reference, mask[None], config, noise=noise)
    blended = {}

    def act(latents: Any, step: Any) -> Any:
        blended[step.index] = blending(latents, step).transpose(1, 2)
        return blended[step.index].transpose(1, 2)

    ran = published.run(
        made,
        published.request(name, given="ttm"),
        published.options(
            name,
            steps=record["steps"],
            shift=told["shift"],
            guidance=record["guidance"],
            guidance_low=record["guidance_low"],
            spacing=told["spacing"],
        ),
        unipc(UniPCConfig(order=told["order"], corrector=told["corrector"])),
        found["ttm.initial_noise"],
        at_step=[StepAction(act, begins=blending.begins)],
    )
    assert published.difference(ran.final, found[f"ttm.{case}.final_latents"]) <= 3e-4
    first = max(told["weak"], 0)
    recorded = found.get(f"ttm.{case}.step_latents", ())
    for index, theirs in enumerate(recorded[:-1] if name == "ti2v" else recorded):
        assert published.difference(blended[first + 1 + index], theirs) <= 3e-4


@pytest.mark.parametrize(("case", "stride"), [(0, 8), (1, 8), (2, 8), (3, 8), (4, 16)])
def test_latent_masks_are_the_published_ones(published: Any, case: int, stride: int) -> None:
    found = published.numbers("control")
    mask = found[f"ttm_mask.mask{case}"][:, 0] > 0
    wanted = found[f"ttm_mask.latent_mask{case}"][0, 0]
    assert torch.equal(latent_mask(mask, stride, 4)[:, 0].to(torch.uint8), wanted)
