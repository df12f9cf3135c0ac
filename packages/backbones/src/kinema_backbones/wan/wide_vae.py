"""The VAE of Wan2.2-TI2V-5B in its original form: its names, and its config from its shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kinema_backbones.wan.sizes import WIDE_LATENTS, WIDE_VAE

#: Modules by their original name, those of encoder and decoder without their first part.
_ENDS = {"conv1": "quant_conv", "conv2": "post_quant_conv"}
_SIDE = {"conv1": "conv_in", "head.0": "norm_out", "head.2": "conv_out"}
_RESNET = {
    "residual.0": "norm1",
    "residual.2": "conv1",
    "residual.3": "norm2",
    "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}

#: Two residual blocks lie around the attention of the middle.
_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}


def is_wide(names: Mapping[str, Any]) -> bool:
    """Whether these are the original names of this VAE; that of Wan2.1 nests no further."""
    return any(re.match(r"encoder\.downsamples\.\d+\.downsamples\.", name) for name in names)


def wide_vae_key(key: str) -> str | None:
    """The diffusers name of a tensor of the original VAE, or None if it is none of them."""
    module, _, leaf = key.rpartition(".")
    if module in _ENDS:
        return f"{_ENDS[module]}.{leaf}"
    side, _, rest = module.partition(".")
    if side not in ("encoder", "decoder"):
        return None
    named = _SIDE.get(rest) or _middle(rest) or _level(rest, "down" if side == "encoder" else "up")
    return f"{side}.{named}.{leaf}" if named else None


def _middle(name: str) -> str | None:
    found = re.fullmatch(r"middle\.([012])\.(.+)", name)
    if found is None:
        return None
    part: str | None = found[2]
    if found[1] != "1":
        part = _RESNET.get(found[2])
    return f"mid_block.{_MIDDLE[found[1]]}.{part}" if part else None


def _level(name: str, way: str) -> str | None:
    found = re.fullmatch(rf"{way}samples\.(\d+)\.{way}samples\.(\d+)\.(.+)", name)
    if found is None:
        return None
    level, place, part = found.groups()
    if part in _RESNET:
        return f"{way}_blocks.{level}.resnets.{place}.{_RESNET[part]}"
    if part in ("resample.1", "time_conv"):
        return f"{way}_blocks.{level}.{way}sampler.{part}"
    return None


def wide_vae_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The diffusers config of a VAE, from the shapes of its tensors by their original names.

    Mean and standard deviation of the latents are those published for its 48 channels.

    Raises:
        KeyError: a tensor is absent that tells the form.
        ValueError: it has another number of latent channels than the published one.
    """
    width, inputs = shapes["encoder.conv1.weight"][:2]
    latents = shapes["conv2.weight"][0]
    if latents != WIDE_LATENTS:
        raise ValueError(f"it has {latents} latent channels, and not {WIDE_LATENTS}")
    levels = 1 + max(int(key.split(".")[2]) for key in shapes if "encoder.downsamples." in key)
    firsts = [f"encoder.downsamples.{level}.downsamples" for level in range(levels)]
    resnets = sum(key.startswith(f"{firsts[0]}.") and key.endswith(".residual.2.weight")
                  for key in shapes)  # fmt: skip
    patch = round((inputs / 3) ** 0.5)
    folds = [f"{first}.{resnets}.time_conv.weight" in shapes for first in firsts[:-1]]
    return {
        **WIDE_VAE,
        "base_dim": width,
        "decoder_base_dim": shapes["decoder.head.0.gamma"][0],
        "dim_mult": [shapes[f"{first}.0.residual.2.weight"][0] // width for first in firsts],
        "num_res_blocks": resnets,
        "temperal_downsample": folds,
        "in_channels": inputs,
        "out_channels": shapes["decoder.head.2.weight"][0],
        "patch_size": patch,
        "scale_factor_spatial": patch * 2 ** (levels - 1),
        "scale_factor_temporal": 2 ** sum(folds),
    }
