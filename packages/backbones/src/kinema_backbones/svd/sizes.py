"""Networks of Stable Video Diffusion's structure from their sizes, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from torch import nn

from kinema.config import from_mapping
from kinema.noise import seeded

#: Latent pixels per coarsest feature are 2 ** (levels - 1); a VAE of n levels halves n - 1 times.
_VAE_SCALE = 0.18215


@attrs.frozen(kw_only=True)
class NetworkSizes:
    """The sizes that tell one network of this structure from another; defaults are SVD's.

    Attributes:
        model_channels: C of the finest level of the U-Net.
        channel_mult: channels of each level as a multiple of that.
        num_head_channels: channels of one attention head.
        context_dim: of the image embedding.
        addition_time_embed_dim: of fps, motion bucket and noise strength each.
        layers_per_block: resnets per level on the way down; one more on the way up.
        vae_channels: of the VAE's levels, finest first, multiples of 32.
        vae_layers: resnets per level of the VAE.
        clip_width, clip_layers, clip_heads, clip_mlp, clip_patch: of the image encoder.
    """

    model_channels: int = 320
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_head_channels: int = 64
    context_dim: int = 1024
    addition_time_embed_dim: int = 256
    layers_per_block: int = 2
    vae_channels: tuple[int, ...] = (128, 256, 512, 512)
    vae_layers: int = 2
    clip_width: int = 1280
    clip_layers: int = 32
    clip_heads: int = 16
    clip_mlp: int = 5120
    clip_patch: int = 14

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> NetworkSizes:
        """The sizes among ``data``; other keys, such as a clip's frames, are left aside.

        Raises:
            InputError: a value has the wrong type.
        """
        known = {field.name for field in attrs.fields(cls)}
        return from_mapping(cls, {k: v for k, v in data.items() if k in known}, "The sizes")

    def tiny(self) -> NetworkSizes:
        """The same U-Net with a VAE and an image encoder that are as small as they can be."""
        return attrs.evolve(
            self, vae_channels=(32, 32, 32, 32), vae_layers=1,
            clip_width=32, clip_layers=1, clip_heads=2, clip_mlp=64, clip_patch=32,
        )  # fmt: skip

    def unet_config(self) -> dict[str, Any]:
        """The U-Net's config in diffusers' words."""
        channels = tuple(self.model_channels * m for m in self.channel_mult)
        levels = len(channels)
        down = ("CrossAttnDownBlockSpatioTemporal",) * (levels - 1) + ("DownBlockSpatioTemporal",)
        up = ("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * (levels - 1)
        return {
            "in_channels": 8,
            "out_channels": 4,
            "down_block_types": down,
            "up_block_types": up,
            "block_out_channels": channels,
            "addition_time_embed_dim": self.addition_time_embed_dim,
            "projection_class_embeddings_input_dim": 3 * self.addition_time_embed_dim,
            "layers_per_block": self.layers_per_block,
            "cross_attention_dim": self.context_dim,
            "num_attention_heads": tuple(max(c // self.num_head_channels, 1) for c in channels),
        }


@attrs.frozen(eq=False)
class Components:
    """The three networks of Stable Video Diffusion, as diffusers and transformers hold them."""

    unet: Any
    vae: Any
    image_encoder: Any

    def all(self) -> dict[str, nn.Module]:
        """Each by its name in a diffusers folder."""
        return {"unet": self.unet, "vae": self.vae, "image_encoder": self.image_encoder}


def build_unet(sizes: NetworkSizes) -> Any:
    """A U-Net of these sizes with weights of the current random state."""
    from diffusers import UNetSpatioTemporalConditionModel

    return UNetSpatioTemporalConditionModel(**sizes.unet_config())


def build_vae(sizes: NetworkSizes) -> Any:
    """A VAE of these sizes with weights of the current random state."""
    from diffusers import AutoencoderKLTemporalDecoder

    return AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * len(sizes.vae_channels),
        block_out_channels=sizes.vae_channels,
        layers_per_block=sizes.vae_layers,
        scaling_factor=_VAE_SCALE,
    )


def build_image_encoder(sizes: NetworkSizes) -> Any:
    """An image encoder of these sizes with weights of the current random state."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=sizes.clip_width,
            intermediate_size=sizes.clip_mlp,
            num_hidden_layers=sizes.clip_layers,
            num_attention_heads=sizes.clip_heads,
            patch_size=sizes.clip_patch,
            projection_dim=sizes.context_dim,
            hidden_act="gelu",
        )
    )


def build_components(sizes: NetworkSizes, seed: int = 0) -> Components:
    """All three networks with random weights of this seed, in float32 on the default device."""
    with seeded(seed):
        return Components(build_unet(sizes), build_vae(sizes), build_image_encoder(sizes))
