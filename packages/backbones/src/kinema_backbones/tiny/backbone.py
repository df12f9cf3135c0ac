"""The ``tiny`` backbone: the blocks of Stable Video Diffusion, a few megabytes of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from kinema.errors import InputError, WeightsError
from kinema.files import check_weights, parse_json, read_bytes
from kinema.interfaces import Actions
from kinema.levels import Level
from kinema.motion.canvas import Size
from kinema.noise import seeded
from kinema_backbones.adaptation import plain_state
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.network import Embedding
from kinema_backbones.svd.sizes import Components
from kinema_backbones.tiny.autoencoder import CHANNELS, ColourGrid, PatchAutoencoder
from kinema_backbones.tiny.config import TinyConfig, TinySample

FORMAT = "kinema.tiny/1"
RECORD = "tiny.json"
WEIGHTS = "tiny.safetensors"

#: With the controller beside them; the README there says how they were made.
SHIPPED = Path(__file__).parent / "weights"

#: Larger pictures and longer clips than it was trained on fall apart rather than look larger.
LARGEST, MOST_FRAMES = 128, 16

#: What it was trained on: the side in pixels and the frames.
TRAINED, FRAMES = 64, 8

NORM_GROUPS = 4

#: Lengths, in patches, of the waves across the picture that tell a patch where it lies.
WAVELENGTHS = (16, 8, 4)

HEAD_WIDTH = 16


class TinyBackbone(SvdBackbone):
    """A network of Stable Video Diffusion's blocks on the low frequencies of 8x8 patches.

    Made for 64x64 pixels and 8 frames, and trained from nothing by ``kinema train``. Latents are
    ``(B, T, 16, H / 8, W / 8)``.
    """

    name = "tiny"
    sample = TinySample

    @classmethod
    def of(cls, config: TinyConfig) -> TinyBackbone:
        """The backbone with the weights that ``config`` names.

        Raises:
            WeightsError: they are absent or do not fit.
        """
        with seeded(config.seed):
            if config.untrained:
                unet = build_unet(config.channels)
            else:
                unet = load_unet(Path(config.weights) if config.weights else SHIPPED)
            components = Components(unet, PatchAutoencoder(), ColourGrid())
        options = {
            name: getattr(config, name)
            for name in ("weights", "device", "dtype", "noise_aug", "motion_bucket_id")
        }
        return cls(components, SvdConfig(**options, decode_chunk=0, attention="sdpa"))

    def nearest(self, size: Size, frames: int) -> tuple[Size, int]:
        """Multiples of 16 pixels up to 128, and 2 to 16 frames.

        What is larger comes nearest with 64 pixels on its long side, as it was trained.
        """
        fits = max(size) <= LARGEST
        scale = 1.0 if fits else TRAINED / max(size)
        width, height = (max(int(side * scale / self.grid + 0.5), 1) * self.grid for side in size)
        return (width, height), min(max(2, frames), MOST_FRAMES)

    def embedding(
        self,
        image_embeds: Tensor,
        image_latents: Tensor,
        added_time_ids: Tensor,
        actions: Actions | None = None,
        frames: int = 1,
    ) -> Embedding:
        """As :meth:`SvdBackbone.embedding`; beside the photo's latent lie the places of patches.

        Without them attention could not carry a patch to where its motion leads.
        """
        told = super().embedding(image_embeds, image_latents, added_time_ids, actions, frames)
        photo = told.image_latents
        waves = positions(*photo.shape[-2:]).to(photo).expand(*photo.shape[:2], -1, -1, -1)
        return attrs.evolve(told, image_latents=torch.cat([photo, waves], dim=2))

    def denoise(
        self, latents: Tensor, level: Level | Tensor, embeddings: Sequence[Embedding]
    ) -> Tensor:
        """The denoised prediction of each term, ``(G, B, T, 16, h, w)``, float32.

        The network sees and predicts how a frame differs from the photo it was told, which is zero
        wherever nothing moves: an untrained one already holds still.
        """
        parts = []
        for embedding in embeddings:
            photo = embedding.image_latents[:, :, :CHANNELS].float()
            parts.append(photo + super().denoise(latents - photo, level, [embedding])[0])
        return torch.stack(parts)

    def save_weights(self, folder: Path) -> None:
        """Write the network into an existing folder, which ``weights=folder`` then loads."""
        unet = self.components.unet
        record = {"format": FORMAT, "channels": list(unet.config.block_out_channels)}
        state = plain_state(unet)
        (folder / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")
        safetensors.torch.save_file(state, folder / WEIGHTS)


def positions(height: int, width: int) -> Tensor:
    """Sines and cosines of the places of a grid of patches, ``(12, height, width)``."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    turns = [2 * math.pi * place / length for length in WAVELENGTHS for place in (x, y)]
    return torch.stack([wave(turn) for turn in turns for wave in (torch.sin, torch.cos)])


def build_unet(channels: tuple[int, ...]) -> Any:
    """A network of these widths, with weights of the current random state."""
    from diffusers import UNetSpatioTemporalConditionModel

    fine = len(channels) - 1
    unet = UNetSpatioTemporalConditionModel(
        in_channels=2 * CHANNELS + 4 * len(WAVELENGTHS),
        out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * fine
        + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * fine,
        block_out_channels=channels,
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96,
        layers_per_block=1,
        cross_attention_dim=ColourGrid.WIDTH,
        num_attention_heads=tuple(width // HEAD_WIDTH for width in channels),
    )
    # In groups of two channels, as diffusers builds them, a norm would erase the picture's own
    # brightness and colour.
    for module in unet.modules():
        if isinstance(module, nn.GroupNorm):
            module.num_groups = NORM_GROUPS
    return unet


def load_unet(folder: Path) -> Any:
    """The network of a folder that ``save_weights`` wrote.

    Raises:
        WeightsError: it is absent, or its files do not fit each other.
    """
    check_weights(folder / WEIGHTS)
    try:
        record = parse_json(read_bytes(folder / RECORD), RECORD, InputError)
        if record["format"] != FORMAT:
            raise KeyError("format")
        config = attrs.evolve(TinyConfig(), channels=tuple(record["channels"]))
        unet = build_unet(config.channels)
        unet.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of the backbone 'tiny' in {str(folder)!r} cannot be read: "
            f"{type(error).__name__}: {error}. A folder of them holds {RECORD} and {WEIGHTS}; the "
            "ones that come along are taken if no folder is named."
        ) from None
    return unet


def weight_files(config: TinyConfig) -> list[Path]:
    """The files that the backbone reads when it is built with ``config``."""
    if config.untrained:
        return []
    folder = Path(config.weights) if config.weights else SHIPPED
    return [folder / RECORD, folder / WEIGHTS]
