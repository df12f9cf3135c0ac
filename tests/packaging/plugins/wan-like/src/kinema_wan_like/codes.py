"""Stand-ins for the encoders of such a model: small, exact, and without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: Pixels of a latent's side, frames of a latent after the first, channels.
STRIDE, FOLD, CHANNELS = 8, 4, 16

#: Tokens of a text, and their width.
TOKENS, WIDTH = 16, 16


def encode(frames: Tensor) -> Tensor:
    """Latents ``(B, T', 16, h, w)`` of frames ``(B, T, 3, H, W)`` in [0, 1], T = 1 + 4 n.

    Colours of 2 x 2 parts of each 8 x 8 patch, as a mean over the group's frames, and how the mean
    brightness of those parts changes over the group.
    """
    parts = F.avg_pool2d(frames.flatten(0, 1) * 2 - 1, STRIDE // 2)
    parts = F.pixel_unshuffle(parts, 2).unflatten(0, frames.shape[:2])
    first, rest = parts[:, :1], parts[:, 1:].unflatten(1, (-1, FOLD))
    means = torch.cat([first, rest.mean(2)], dim=1)
    brightness = rest.unflatten(3, (3, 4)).mean(3)
    change = brightness[:, :, -1] - brightness[:, :, 0]
    return torch.cat([means, F.pad(change, (0, 0, 0, 0, 0, 0, 1, 0))], dim=2)


def decode(latents: Tensor) -> Tensor:
    """Frames ``(B, T, 3, H, W)`` in [0, 1]; within a group the brightness goes on evenly."""
    means, change = latents[:, :, :12], latents[:, :, 12:]
    along = torch.linspace(-0.5, 0.5, FOLD, device=latents.device).view(1, 1, FOLD, 1, 1, 1)
    groups = means[:, 1:, None] + along * change[:, 1:, None].repeat(1, 1, 1, 3, 1, 1)
    parts = torch.cat([means[:, :1], groups.flatten(1, 2)], dim=1)
    small = F.pixel_shuffle(parts.flatten(0, 1), 2)
    pixels = F.interpolate(small, scale_factor=STRIDE // 2)
    return (pixels / 2 + 0.5).clamp(0, 1).view(*parts.shape[:2], *pixels.shape[1:])


def encode_texts(texts: Sequence[str]) -> Tensor:
    """Embeddings ``(B, 16, 16)``: one token per word, its numbers drawn by its letters."""
    return torch.stack([_text(text) for text in texts])


def _text(text: str) -> Tensor:
    tokens = torch.zeros(TOKENS, WIDTH)
    for place, word in enumerate(text.lower().split()[:TOKENS]):
        key = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=7).digest(), "big")
        tokens[place] = torch.randn(WIDTH, generator=torch.Generator().manual_seed(key))
    return tokens
