"""The published sizes of Wan's networks, as configs of diffusers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_I2V: dict[str, Any] = {
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "in_channels": 36,
    "out_channels": 16,
    "ffn_dim": 13824,
    "num_layers": 40,
    "text_dim": 4096,
}

#: Transformers by name; of A14B one of the two experts, which are alike.
TRANSFORMERS: Mapping[str, Mapping[str, Any]] = {
    "wan2.1-i2v-14b": {**_I2V, "image_dim": 1280, "added_kv_proj_dim": 5120},
    "wan2.2-i2v-a14b": _I2V,
    "wan2.2-ti2v-5b": {
        **_I2V,
        "num_attention_heads": 24,
        "in_channels": 48,
        "out_channels": 48,
        "ffn_dim": 14336,
        "num_layers": 30,
    },
}

#: The VAE of TI2V-5B; the others have that of diffusers' defaults.
WIDE_VAE: Mapping[str, Any] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "attn_scales": [],
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
