"""What a training step keeps, counted on the meta device, with and without recomputing blocks."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from kinema.interfaces import Adaptation
from kinema.levels import Level
from kinema.signals import MotionSignal
from kinema_backbones.control.controllers import ModulationController
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.counting import Counter
from kinema_backbones.svd.sizes import NetworkSizes, build_components

GIB = 2**30


def count(
    sizes: NetworkSizes, batch: int, frames: int, size: tuple[int, int], way: str
) -> dict[str, float]:
    """GiB and operations of one step: ``ours``, ``diffusers`` (its own checkpointing) or ``none``.

    The controller is in bfloat16, as autocast computes it; gradients count, weights do not.
    """
    width, height = size
    options = {"fold_cross_attention": way != "diffusers"}
    with torch.device("meta"):
        backbone = SvdBackbone(
            build_components(sizes),
            SvdConfig(device="meta", dtype="bfloat16", attention="sdpa", **options),  # type: ignore[arg-type]
        )
        controller = ModulationController()
        backbone.attach(controller)
        unet = backbone.adapt(
            Adaptation(targets="all-linear", rank=32, checkpointing=way == "ours")
        )
    controller.bfloat16()
    if way == "diffusers":
        backbone.components.unet.enable_gradient_checkpointing()
    counter = Counter()
    counter.exclude([unet, controller])
    backbone._processor.attend = counter.attend
    maps = torch.empty(batch, frames, 3, height, width, device="meta")
    # A real MotionSignal asks whether its maps are finite, which meta tensors cannot tell.
    told = SimpleNamespace(dense=lambda: maps, channels=("dx", "dy", "mask"))
    told.folded = lambda stride: told
    signal = cast(MotionSignal, told)
    latents = torch.empty(
        batch, *backbone.latent_shape(size, frames), device="meta", dtype=torch.float32
    )
    with counter:
        actions = controller.actions(signal, backbone.sites)
        embedding = backbone.embedding(
            torch.empty(batch, 1, sizes.context_dim, device="meta"),
            torch.empty(batch, 4, height // 8, width // 8, device="meta"),
            torch.empty(batch, 3, device="meta"),
            actions,
        )
        level = Level.exploding(torch.empty(batch, device="meta"))
        denoised = backbone.denoise(latents, level, [embedding])
        loss = denoised.square().mean()
        kept = counter.live
        if way == "diffusers":
            # Its checkpointing knows nothing of sites, so they stay held for the second pass.
            backbone.network.hold(next(iter(embedding.batches.values())), frames)
        loss.backward()
    gc.collect()
    return {"kept": kept / GIB, "peak": counter.peak / GIB, "operations": counter.operations}


SMALL = NetworkSizes(
    model_channels=64, channel_mult=(1, 2), num_head_channels=32, context_dim=32,
    addition_time_embed_dim=16, layers_per_block=1,
).tiny()  # fmt: skip


@pytest.mark.slow
def test_recomputing_blocks_covers_the_temporal_ones() -> None:
    ways = {way: count(SMALL, 2, 4, (128, 64), way) for way in ("none", "diffusers", "ours")}
    ours, theirs, none = (ways[way] for way in ("ours", "diffusers", "none"))
    assert ours["kept"] < 0.5 * theirs["kept"] < 0.5 * none["kept"]
    assert ours["peak"] < 0.7 * theirs["peak"]
    # One more forward pass, and nothing beyond it.
    assert 1.1 < ours["operations"] / none["operations"] < 1.6


@pytest.mark.slow
def test_a_full_size_batch_of_eight_fits() -> None:
    arguments = (NetworkSizes(), 8, 16, (512, 320))
    ours, theirs = (count(*arguments, way) for way in ("ours", "diffusers"))
    for name, found in (("kinema", ours), ("diffusers", theirs)):
        each = found["operations"] / 8 / 1e12
        print(f"{name}: {found['kept']:.1f} GiB kept, {found['peak']:.1f} at most, "
              f"{each:.1f} TFLOP per clip")  # fmt: skip
    assert 10 <= ours["peak"] <= 30
    assert 90 <= theirs["peak"] <= 125
