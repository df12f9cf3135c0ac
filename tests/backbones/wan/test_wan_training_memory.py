"""What a training step on Wan keeps, counted on the meta device."""

from __future__ import annotations

import pytest

from kinema.interfaces import Adaptation
from kinema_backbones.wan.sizes import TRANSFORMERS
from kinema_backbones.wan.training_memory import StepCount, count_training

GIB = 2**30

SMALL = {
    "num_attention_heads": 4,
    "attention_head_dim": 32,
    "num_layers": 4,
    "ffn_dim": 512,
    "freq_dim": 64,
}


def count(
    model: str, frames: int, controller: str, *, small: bool = False, checkpointing: bool = True
) -> StepCount:
    config = {**TRANSFORMERS[model], **(SMALL if small else {})}
    if small and "image_dim" in config:
        config["added_kv_proj_dim"] = 128
    return count_training(
        config,
        size=(832, 480),
        frames=frames,
        controller=controller,
        adaptation=Adaptation(targets="all-linear", rank=32, checkpointing=checkpointing),
    )


@pytest.mark.parametrize("model", ["wan2.2-ti2v-5b", "wan2.1-i2v-14b", "wan2.2-i2v-a14b"])
def test_recomputing_blocks_keeps_less_for_one_more_pass(model: str) -> None:
    ways = [
        count(model, 17, "modulation", small=True, checkpointing=checkpointing)
        for checkpointing in (False, True)
    ]
    plain, again = ways
    assert again.kept < 0.4 * plain.kept
    assert again.work < 0.7 * plain.work
    assert (again.weights, again.trained, again.state) == (
        plain.weights, plain.trained, plain.state,
    )  # fmt: skip
    assert 1.1 < again.operations / plain.operations < 1.6


def test_what_is_trained_has_moments_and_the_rest_has_not() -> None:
    with_, without = (count("wan2.2-ti2v-5b", 17, name, small=True)
                      for name in ("modulation", ""))  # fmt: skip
    assert without.state == 3 * 4 * without.trained
    controller = with_.trained - without.trained
    assert controller > 0
    assert with_.state == without.state + 4 * 4 * controller
    assert with_.weights == without.weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "frames", "controller", "most"),
    [
        ("wan2.2-ti2v-5b", 49, "modulation", 60),
        ("wan2.1-i2v-14b", 81, "latent-splat", 75),
    ],
)
def test_full_size_steps_fit_where_they_are_promised_to(
    model: str, frames: int, controller: str, most: int
) -> None:
    found = count(model, frames, controller)
    print(f"{model}: {found.peak / GIB:.1f} GiB, {found.work / GIB:.1f} of them at work")
    layers = {"wan2.2-ti2v-5b": (5.0e9, 2), "wan2.1-i2v-14b": (16.39e9, 2)}[model]
    assert found.weights > layers[0] * layers[1]
    assert found.peak / GIB < most
