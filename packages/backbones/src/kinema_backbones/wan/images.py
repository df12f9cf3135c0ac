"""From photos to what the network is told of them, and between latents and frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

#: Mean and standard deviation that CLIP's inputs are normalised with (Radford et al. 2021).
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

#: Frames that a latent frame after the first stands for.
FOLD = 4


def embed_photos(
    encoder: Any, photos: Tensor, crop: bool, preprocessor: Mapping[str, Any]
) -> Tensor:
    """Tokens ``(B, 257, D)`` of photos ``(B, 3, H, W)`` in [0, 1]: CLIP's layer before the last.

    Args:
        crop: cut a square out of the middle (diffusers), or squash the photo (Wan).
        preprocessor: the mean, deviation and size of a ``preprocessor_config.json``.
    """
    weight = next(encoder.parameters())
    side = int(encoder.config.image_size)
    small = _square(photos.float(), side, crop)
    mean = torch.tensor(preprocessor.get("image_mean", _CLIP_MEAN), device=small.device)
    std = torch.tensor(preprocessor.get("image_std", _CLIP_STD), device=small.device)
    normed = (small - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    told = encoder(normed.to(weight.device, weight.dtype), output_hidden_states=True)
    tokens: Tensor = told.hidden_states[-2]
    return tokens


def _square(photos: Tensor, side: int, crop: bool) -> Tensor:
    height, width = photos.shape[-2:]
    size = (side, side)
    if crop:
        short = min(height, width)
        size = (int(side * height / short), int(side * width / short))
    resized = F.interpolate(photos, size, mode="bicubic", antialias=crop)
    if not crop:
        return resized
    top, left = ((length - side) // 2 for length in size)
    # Pictures are of 8 bits where the published preprocessor resizes them.
    levels = (resized * 255).round().clamp(0, 255) / 255
    return levels[..., top : top + side, left : left + side]


def condition_clip(photo: Tensor, frames: int, last: Tensor | None) -> Tensor:
    """The clip ``(B, 3, T, H, W)`` in [-1, 1] of the photo, grey frames, and the last image."""
    clip = photo.new_zeros(len(photo), 3, frames, *photo.shape[-2:])
    clip[:, :, 0] = photo * 2 - 1
    if last is not None:
        clip[:, :, -1] = last * 2 - 1
    return clip


def given_frames(frames: int, last: bool) -> Tensor:
    """``(T', 4)``: which frames of each group are given; the first counts as a whole group."""
    given = torch.zeros(frames)
    given[0] = 1.0
    if last:
        given[-1] = 1.0
    first = given[:1].expand(FOLD)
    return torch.cat([first, given[1:]]).view(-1, FOLD)


def encode_clip(vae: Any, clip: Tensor) -> Tensor:
    """Normalised latents ``(B, C, T', h, w)``, float32, of clips ``(B, 3, T, H, W)`` in [-1, 1]."""
    weight = next(vae.parameters())
    videos = [
        vae.encode(video[None].to(weight.device, weight.dtype)).latent_dist.mode().float()
        for video in clip
    ]
    latents = torch.cat(videos)
    mean, std = _statistics(vae, latents.device)
    return (latents - mean) / std


def decode_latents(vae: Any, latents: Tensor) -> Tensor:
    """Frames ``(B, T, 3, H, W)`` in [0, 1], float32, of normalised latents ``(B, C, T', h, w)``."""
    weight = next(vae.parameters())
    mean, std = _statistics(vae, latents.device)
    scaled = (latents.float() * std + mean).to(weight.device, weight.dtype)
    videos = []
    for video in scaled:
        pixels = vae.decode(video[None], return_dict=False)[0][0]
        videos.append(pixels.float().clamp_(-1, 1).add_(1).mul_(0.5).transpose(0, 1))
    return torch.stack(videos)


def _statistics(vae: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    shape = (1, -1, 1, 1, 1)
    mean, std = (
        torch.tensor(numbers, dtype=torch.float32).view(shape).to(device)
        for numbers in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std
