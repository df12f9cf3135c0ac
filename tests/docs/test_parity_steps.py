"""The steps that "Run the published weights" shows, on the tiny reference network."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    parts = sorted(REFERENCE.glob("tiny.weights.*.safetensors"))
    state = OrderedDict((key, v) for part in parts for key, v in load_file(part).items())
    torch.save({"module": state, "ds_version": "0.9.5"}, tmp_path / "tiny.pt")
    return tmp_path / "tiny.pt"


@torch.no_grad()
def test_the_steps(published: Path, tmp_path: Path) -> None:
    sizes_data = json.loads((REFERENCE / "tiny.json").read_text(encoding="utf-8"))
    given = load_file(REFERENCE / "tiny.tensors.safetensors")
    maps = load_file(REFERENCE / "tiny.signal.safetensors")["in.flow_and_mask"]
    folder = tmp_path / "motionpro"
    # fmt: off
    # --8<-- [start:convert]
    from kinema_backbones.control.checkpoint import load_controller
    from kinema_backbones.svd.official import MotionProImporter

    report = MotionProImporter().convert(published, folder)
    controller = load_controller(folder)
    # --8<-- [end:convert]
    # --8<-- [start:build]
    from kinema_backbones.svd.random_weights import build_from_sizes
    from kinema_backbones.svd.sizes import NetworkSizes

    sizes = NetworkSizes.of(sizes_data).tiny()  # tiny: the U-Net as given, a minimal VAE and CLIP
    backbone = build_from_sizes(sizes, unet=folder / "base" / "unet")
    # --8<-- [end:build]
    # --8<-- [start:encoder]
    features = controller.encoder(maps[None])  # maps (T, 3, H, W): dx, dy, mask
    # --8<-- [end:encoder]
    image_embeds, image_latents = given["in.image_embeds"], given["in.image_latents"]
    time_ids = given["in.added_time_ids"]
    # --8<-- [start:embed]
    from kinema.signals import MotionSignal

    detach = backbone.attach(controller)  # loads and merges the LoRA
    signal = MotionSignal(maps=maps, channels=("dx", "dy", "mask"))
    actions = controller.actions(signal, backbone.sites)
    conditional = backbone.embedding(image_embeds, image_latents, time_ids, actions)
    unconditional = backbone.embedding(0 * image_embeds, 0 * image_latents, time_ids, actions)
    # --8<-- [end:embed]
    inputs, c_noise = given["in.unet_input"][None], given["in.c_noise"][0]
    noisy = (given["in.clean_latents"] + 3.1 * given["in.noise"])[None]
    noise = given["in.noise"][None]
    # --8<-- [start:run]
    from kinema.config import SampleConfig
    from kinema.sampling import sample

    raw = backbone.raw(inputs, c_noise, [conditional])[0]
    denoised = backbone.denoise(noisy, torch.tensor(3.1), [conditional])[0]
    terms = {"conditional": conditional, "unconditional": unconditional}
    latents = sample(backbone, terms, noise, SampleConfig(steps=4))  # type: ignore[arg-type]
    # --8<-- [end:run]
    # fmt: on
    detach()
    assert report["used"]["lora"] == 368
    assert torch.allclose(features[1], given["out.encoder_feature_1"], atol=1e-6)
    assert torch.allclose(raw[0], given["out.unet_out"], atol=5e-5)
    assert torch.allclose(denoised[0], given["out.denoised_sigma3.1"], atol=5e-5)
    assert torch.allclose(latents[0], given["out.sampled_latents"], atol=5e-4)
