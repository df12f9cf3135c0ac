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
from kinema.motion.canvas import Size
from kinema_backbones.svd.backbone import SvdBackbone
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.network import Embedding
from kinema_backbones.svd.sizes import Components
from kinema_backbones.svd.training import plain_state
from kinema_backbones.tiny.autoencoder import CHANNELS, ColourGrid, PatchAutoencoder
from kinema_backbones.tiny.config import TinyConfig

FORMAT = "kinema.tiny/1"
RECORD = "tiny.json"
WEIGHTS = "tiny.safetensors"

#: With the controller beside them; the README there says how they were made.
SHIPPED = Path(__file__).parent / "weights"

#: Larger pictures and longer clips than it was trained on fall apart rather than look larger.
LARGEST, MOST_FRAMES = 128, 16

#: What it was trained on.
FRAMES = 8

NORM_GROUPS = 4

#: Lengths, in patches, of the waves across the picture that tell a patch where it lies.
WAVELENGTHS = (16, 8, 4)

HEAD_WIDTH = 16


class TinyBackbone(SvdBackbone):
    """A network of Stable Video Diffusion's blocks on the low frequencies of 8x8 patches.

    Made for 64x64 pixels and 8 frames, and trained from nothing by ``kinema train``. Latents are
    ``(B, T, 16, H / 8, W / 8)``.
    """

    @classmethod
    def of(cls, config: TinyConfig) -> TinyBackbone:
        """The backbone with the weights that ``config`` names.

        Raises:
            WeightsError: they are absent or do not fit.
        """
        if config.untrained:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                unet = build_unet(config.channels)
        else:
            unet = load_unet(Path(config.weights) if config.weights else SHIPPED)
        components = Components(unet, PatchAutoencoder(), ColourGrid())
        options = {
            name: getattr(config, name)
            for name in ("weights", "device", "dtype", "noise_aug", "motion_bucket_id")
        }
        return cls(components, SvdConfig(**options, decode_chunk=0, attention="sdpa"))

    def check(self, size: Size, frames: int) -> None:
        """Refuse sizes off the grid of 16 pixels, sides over 128 and more than 16 frames.

        Raises:
            InputError: naming a size that can be made.
        """
        fits = all(side > 0 and side % self.grid == 0 and side <= LARGEST for side in size)
        if not fits:
            scale = 64 / max(*size, 1)
            near = [max(int(side * scale / self.grid + 0.5), 1) * self.grid for side in size]
            raise InputError(
                f"The backbone 'tiny' cannot make {size[0]}x{size[1]} pixels: both sides must be "
                f"multiples of {self.grid}, at most {LARGEST}. Ask for --size {near[0]}x{near[1]}"
                + (", which" if frames == FRAMES else f" --frames {FRAMES}, which")
                + " keeps the shape of the picture best."
            )
        if not 2 <= frames <= MOST_FRAMES:
            raise InputError(
                f"The backbone 'tiny' makes 2 to {MOST_FRAMES} frames, got {frames!r}. It was "
                f"trained on {FRAMES}: ask for --frames {FRAMES}."
            )

    def denoise(self, latents: Tensor, sigma: Tensor, embeddings: Sequence[Embedding]) -> Tensor:
        """The denoised prediction of each term, ``(G, B, T, 16, h, w)``, float32.

        The network sees and predicts how a frame differs from the photo it was told, which is zero
        wherever nothing moves: an untrained one already holds still. Beside the photo it sees where
        each patch lies, without which attention could not carry one to where its motion leads.
        """
        parts = []
        for embedding in embeddings:
            photo = embedding.image_latents.float()
            waves = positions(*photo.shape[-2:]).to(photo).expand(*photo.shape[:2], -1, -1, -1)
            told = attrs.evolve(embedding, image_latents=torch.cat([photo, waves], dim=2))
            parts.append(photo + super().denoise(latents - photo, sigma, [told])[0])
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
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
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
