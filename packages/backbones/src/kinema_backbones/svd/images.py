"""From a photo to what the network is told about it, and from latents back to frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from kinema.noise import unit_noise

#: Mean and standard deviation that CLIP's inputs are normalised with (Radford et al. 2021).
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CLIP_SIZE = 224


@attrs.frozen(eq=False)
class Encoding:
    """A photo as the backbone sees it; a Request's image may be one, so that it can be cached.

    Attributes:
        image_embeds: ``(B, 1, D)``.
        image_latents: ``(B, 4, h, w)``, not scaled.
    """

    image_embeds: Tensor
    image_latents: Tensor


def embed_image(image_encoder: Any, image: Tensor) -> Tensor:
    """CLIP embeddings ``(B, 1, D)`` of images ``(B, 3, H, W)`` in [0, 1].

    Resized as published: bicubic with a blur against aliasing, in [-1, 1].
    """
    from kornia.geometry.transform import resize

    weight = next(image_encoder.parameters())
    small = resize(
        image.float() * 2 - 1,
        (CLIP_SIZE, CLIP_SIZE),
        interpolation="bicubic",
        align_corners=True,
        antialias=True,
    )
    mean = torch.tensor(_CLIP_MEAN, device=small.device).view(3, 1, 1)
    std = torch.tensor(_CLIP_STD, device=small.device).view(3, 1, 1)
    normed = ((small + 1) / 2 - mean) / std
    embeds: Tensor = image_encoder(normed.to(weight.device, weight.dtype)).image_embeds
    return embeds[:, None]


def add_noise(
    image: Tensor,
    strength: float | Tensor,
    generator: torch.Generator | Sequence[torch.Generator] | None,
) -> Tensor:
    """Images ``(B, 3, H, W)`` in [-1, 1] with noise, drawn on the CPU for every device alike.

    Args:
        strength: of all images, or of each ``(B,)``.
    """
    if not isinstance(strength, Tensor) and strength == 0:
        return image
    noise = unit_noise(image.shape, generator).to(image.device, image.dtype)
    if isinstance(strength, Tensor):
        strength = strength.to(image.device, image.dtype).view(-1, 1, 1, 1)
    return image + strength * noise


def encode_latents(vae: Any, images: Tensor) -> Tensor:
    """Latents ``(N, 4, h, w)``, not scaled, of images ``(N, 3, H, W)`` in [-1, 1]: the mode."""
    weight = next(vae.parameters())
    latents: Tensor = vae.encode(images.to(weight.device, weight.dtype)).latent_dist.mode()
    return latents


def decode_chunks(frames: int, chunk: int) -> list[tuple[int, int]]:
    """Start and stop of the chunks that ``frames`` are decoded in; ``chunk`` 0 makes one of all."""
    size = chunk or frames
    return [
        (index * size, min((index + 1) * size, frames)) for index in range(math.ceil(frames / size))
    ]


def decode_latents(
    vae: Any, latents: Tensor, chunk: int, decoder: Callable[..., Tensor] | None = None
) -> Tensor:
    """Frames ``(B, T, 3, H, W)`` in [0, 1], float32, of scaled latents ``(B, T, 4, h, w)``.

    Videos are decoded one by one, so a video's frames do not depend on its batch.

    Args:
        decoder: ``(latents, num_frames)`` to pixels in [-1, 1]; the VAE's own unless given.
    """
    weight = next(vae.parameters())
    scaled = (latents / vae.config.scaling_factor).to(weight.device, weight.dtype)
    decode = decoder or plain_decoder(vae)
    videos = []
    for video in scaled:
        parts = [
            decode(video[start:stop], stop - start).float().mul_(0.5).add_(0.5).clamp_(0, 1)
            for start, stop in decode_chunks(len(video), chunk)
        ]
        videos.append(torch.cat(parts))
    return torch.stack(videos)


def plain_decoder(vae: Any) -> Callable[..., Tensor]:
    """The VAE's own decoder as ``(latents, num_frames)`` to pixels."""

    def decode(latents: Tensor, num_frames: int) -> Tensor:
        decoded: Tensor = vae.decode(latents, num_frames=num_frames, return_dict=False)[0]
        return decoded

    return decode
