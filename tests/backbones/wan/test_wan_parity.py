"""The backbone wan computes what diffusers' pipeline and the published code compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kinema.errors import WeightsError
from kinema_backbones.wan.config import WanSample
from kinema_backbones.wan.families import A14B, NEGATIVES, TI2V, WAN21, Family, family_of

FAMILIES = ("wan21", "a14b", "ti2v")

#: Of latents after each step, and of decoded frames, which are recorded in half precision.
STEP, DECODED = 3e-4, 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_a_whole_call_is_repeated_step_by_step(published: Any, name: str) -> None:
    found = published.numbers(name)
    made = published.backbone(name)
    spacing, solver = published.solvers["unipc"]
    ran = published.run(
        made,
        published.request(name),
        published.options(name, spacing=spacing),
        solver(),
        found["call.initial_noise"],
    )
    assert (
        published.difference(ran.embeddings["conditional"].condition, found["call.condition"])
        <= 1e-5
    )
    last = len(ran.steps) - 1
    for index, (mine, theirs) in enumerate(zip(ran.steps, found["call.step_latents"], strict=True)):
        # Their pipeline puts the photo in frame 0 after its last step, ours within it.
        start = 1 if name == "ti2v" and index == last else 0
        assert published.difference(mine[:, :, start:], theirs[:, :, start:]) <= STEP
    assert published.difference(ran.final, found["call.final_latents"]) <= STEP
    frames = made.decode(ran.final.transpose(1, 2)).transpose(1, 2) * 2 - 1
    assert published.difference(frames, found["call.decoded_half"]) <= DECODED


@pytest.mark.parametrize("case", ["unipc_old_spacing", "unipc_order1_no_corrector", "euler"])
@pytest.mark.parametrize("name", FAMILIES)
def test_other_solvers_and_spacings_are_repeated(published: Any, name: str, case: str) -> None:
    found = published.numbers(name)
    spacing, solver = published.solvers[case]
    ran = published.run(
        published.backbone(name),
        published.request(name),
        published.options(name, spacing=spacing),
        solver(),
        found["call.initial_noise"],
    )
    assert published.difference(ran.final, found[f"solver.{case}.final_latents"]) <= STEP


def test_guidance_one_needs_no_negative_prompt(published: Any) -> None:
    found = published.numbers("wan21")
    made = published.backbone("wan21")
    config = published.options("wan21", guidance=1.0)
    assert made.guidance(config, made.schedule(config), 3).terms == ("conditional",)
    asked = published.request("wan21", terms={"conditional": {}})
    _, solver = published.solvers["unipc"]
    ran = published.run(made, asked, config, solver(), found["call.initial_noise"])
    assert published.difference(ran.final, found["guidance1.final_latents"]) <= STEP


def test_a_last_image_is_told_with_its_mask(published: Any) -> None:
    found = published.numbers("a14b")
    asked = published.request("a14b", last_image=found["last.last_image"])
    _, solver = published.solvers["unipc"]
    ran = published.run(
        published.backbone("a14b"),
        asked,
        published.options("a14b"),
        solver(),
        found["call.initial_noise"],
    )
    condition = ran.embeddings["conditional"].condition
    assert torch.equal(condition[:, :4], found["last.condition"][:, :4])
    assert published.difference(condition, found["last.condition"]) <= 1e-5
    assert published.difference(ran.final, found["last.final_latents"]) <= STEP


def test_each_expert_works_above_and_below_the_boundary(published: Any) -> None:
    made = published.backbone("a14b")
    config = published.options("a14b", shift=5.0)
    schedule = made.schedule(config)
    assert schedule.strong[:6] == (True, True, True, False, False, False)
    scales = made.guidance(config, schedule, 3).scales
    assert scales == [3.5, 3.5, 3.5, 3.0, 3.0, 3.0]


def test_the_pipeline_of_diffusers_agrees(published: Any) -> None:
    """On another size, seed and frame count than the recorded ones."""
    from diffusers import UniPCMultistepScheduler, WanImageToVideoPipeline

    parts = published.components("wan21")
    generator = torch.Generator().manual_seed(7)
    image = torch.rand(1, 3, 32, 80, generator=generator)
    tokens = torch.randn(1, 257, 20, generator=generator)
    words = [torch.randn(1, n, 16, generator=generator) for n in (5, 9)]
    noise = torch.randn(1, 16, 2, 4, 10, generator=generator)
    texts = published.texts({"p": words[0], "n": words[1]})
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=4.0
    )
    pipeline = WanImageToVideoPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=parts.vae,
        scheduler=scheduler,
        transformer=parts.transformer,
    )
    pipeline.encode_image = lambda *_: tokens
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        image=image,
        height=32,
        width=80,
        num_frames=5,
        num_inference_steps=3,
        guidance_scale=2.5,
        latents=noise,
        prompt_embeds=texts(["p"]),
        negative_prompt_embeds=texts(["n"]),
        output_type="latent",
        return_dict=False,
    )[0]
    made = published.backbone("wan21")
    made.texts = texts
    asked = published.request(
        "wan21",
        image=image,
        size=(80, 32),
        frames=5,
        prompts=["p"],
        negative_prompts=["n"],
        cached={"tokens": tokens},
    )
    config = WanSample(steps=3, shift=4.0, guidance=2.5, spacing="unipc")
    _, solver = published.solvers["unipc"]
    ran = published.run(made, asked, config, solver(), noise)
    assert published.difference(ran.final, theirs) <= STEP


# -- families -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "family"), [("wan21", WAN21), ("a14b", A14B), ("ti2v", TI2V)])
def test_families_are_told_apart_by_their_configs(
    published: Any, name: str, family: Family
) -> None:
    record = published.models()[name]
    assert family_of(record["transformer"], record["index"], record["vae"]["z_dim"]) == family


def test_a_text_to_video_model_is_refused() -> None:
    with pytest.raises(WeightsError, match="reads 16 channels; an image-to-video model of Wan"):
        family_of({"in_channels": 16, "out_channels": 16}, {}, 16)


def test_options_left_open_are_the_familys_published_ones() -> None:
    filled = {family.name: family.filled(WanSample()) for family in (WAN21, A14B, TI2V)}
    assert {
        n: (c.steps, c.shift, c.guidance, c.guidance_low, c.boundary) for n, c in filled.items()
    } == {
        "Wan2.1-I2V": (40, 3.0, 5.0, None, None),
        "Wan2.2-I2V-A14B": (40, 5.0, 3.5, 3.5, 0.9),
        "Wan2.2-TI2V": (50, 5.0, 5.0, None, None),
    }
    named = A14B.filled(WanSample(guidance=1.0, steps=4))
    assert (named.steps, named.guidance, named.guidance_low) == (4, 1.0, 1.0)


def test_the_stock_negative_prompts_differ_by_a_shaking_camera() -> None:
    assert NEGATIVES["wan2.1"] == "镜头晃动，" + NEGATIVES["wan2.2"]
    assert len(NEGATIVES["wan2.2"].split("，")) == 28
