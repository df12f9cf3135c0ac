"""The VAE of Wan2.2-TI2V-5B in its original form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from kinema import WeightsError
from kinema_backbones.wan.config import WanConfig
from kinema_backbones.wan.encoders import WIDE, OriginalParts
from kinema_backbones.wan.sizes import WIDE_VAE
from kinema_backbones.wan.wide_vae import wide_vae_config, wide_vae_key


def test_the_original_wide_vae_computes_what_the_published_class_does(
    published: Any, tmp_path: Path
) -> None:
    published.write_wide_vae(tmp_path, **{"extra.weight": torch.zeros(3)})
    own = OriginalParts(tmp_path, 48)
    vae = own.vae(WanConfig())
    found = published.numbers("wide_vae")
    with torch.no_grad():
        latents = vae.encode(found["clip"].float()).latent_dist.mode()
        frames = vae.decode(found["latents"]).sample
    assert published.difference(latents, found["latents"]) <= 1e-5
    assert published.difference(frames, found["frames"]) <= 1e-5
    named = sum(key.startswith("weights.") for key in found)
    assert own.report == {"used": {"VAE": named}, "unused": {"VAE": 1}}


def test_the_wide_vae_of_published_size_is_known_by_its_shapes() -> None:
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        vae = AutoencoderKLWan(**WIDE_VAE)
    shapes = {_wide_name(key): tuple(p.shape) for key, p in vae.named_parameters()}
    assert all(wide_vae_key(name) == key
               for name, (key, _) in zip(shapes, vae.named_parameters(), strict=True))  # fmt: skip
    told = wide_vae_config(shapes)
    assert {key: vae.config[key] for key in told} == told
    assert told["latents_mean"][0] == -0.2289
    assert told["latents_std"][-1] == 0.7744
    assert sum(p.numel() for p in vae.parameters()) == 704_688_668


def _wide_name(key: str) -> str:
    """The original name of a tensor of diffusers' VAE."""
    for mine, theirs in (
        (r"^quant_conv", "conv1"),
        (r"^post_quant_conv", "conv2"),
        (r"conv_in", "conv1"),
        (r"norm_out", "head.0"),
        (r"conv_out", "head.2"),
        (r"mid_block\.attentions\.0", "middle.1"),
        (r"mid_block\.resnets\.0", "middle.0"),
        (r"mid_block\.resnets\.1", "middle.2"),
        (r"(down|up)_blocks\.(\d)\.resnets", r"\1samples.\2.\1samples"),
        (r"down_blocks\.(\d)\.downsampler", r"downsamples.\1.downsamples.2"),
        (r"up_blocks\.(\d)\.upsampler", r"upsamples.\1.upsamples.3"),
    ):
        key = re.sub(mine, theirs, key)
    if key.startswith(("encoder.downsamples", "decoder.upsamples", "encoder.middle.0",
                       "encoder.middle.2", "decoder.middle.0", "decoder.middle.2")):  # fmt: skip
        for mine, theirs in (
            ("norm1", "residual.0"),
            ("conv1", "residual.2"),
            ("norm2", "residual.3"),
            ("conv2", "residual.6"),
            ("conv_shortcut", "shortcut"),
        ):
            key = key.replace(f".{mine}.", f".{theirs}.")
    return key


def test_a_wrong_or_absent_tensor_of_the_vae_is_named(published: Any, tmp_path: Path) -> None:
    published.write_wide_vae(tmp_path, **{"decoder.middle.1.proj.bias": torch.zeros(5)})
    with pytest.raises(WeightsError, match=r"attentions\.0\.proj\.bias is \(5,\) and must be"):
        OriginalParts(tmp_path, 48).vae(WanConfig())
    state = torch.load(tmp_path / WIDE, weights_only=True)
    del state["decoder.middle.1.proj.bias"]
    torch.save(state, tmp_path / WIDE)
    with pytest.raises(WeightsError, match=r"lacks 1 tensors, such as .*attentions\.0\.proj\.bias"):
        OriginalParts(tmp_path, 48).vae(WanConfig())
    torch.save({"nothing.weight": torch.zeros(1)}, tmp_path / WIDE)
    with pytest.raises(WeightsError, match="holds no VAE of Wan"):
        OriginalParts(tmp_path, 48).vae(WanConfig())


def test_pickles_of_the_older_form_are_read_too(published: Any, tmp_path: Path) -> None:
    published.write_wide_vae(tmp_path)
    state = torch.load(tmp_path / WIDE, weights_only=True)
    torch.save(state, tmp_path / WIDE, _use_new_zipfile_serialization=False)
    assert OriginalParts(tmp_path, 48).vae(WanConfig()).config.z_dim == 48
