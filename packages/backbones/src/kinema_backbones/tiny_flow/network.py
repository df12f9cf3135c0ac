"""The network of ``tiny-flow``: a diffusion transformer over the patches of all frames.

Its tokens, its places and its levels are told as Wan tells them (Wan team, 2025): attention over
space and time at once with rotary places in three axes, and one projection of the level that all
blocks share. The patches of the photo and its mask lie beside the noisy ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kinema.interfaces import Site
from kinema.levels import FLOW_TIMES, Level
from kinema_backbones.tiny.autoencoder import CHANNELS, PATCH
from kinema_backbones.wan.network import Grid, SiteModule

#: Mask channels beside the photo's latents: whether a frame is given.
MASKS = 1

#: Latents of the patch code deviate by about this much; the network's by about 1.
LATENT_STD = 3.5

#: By how much a video differs from its photo, on a mean over patches that rest and that move.
DIFFERENCE_STD = 0.5

#: Lengths, in patches and in frames, of the waves that tell a token where it lies.
WAVELENGTHS, FRAME_WAVES = (16, 8, 4), (32, 16, 8)

#: Channels of one head of attention, and how many of them turn with each axis of (t, y, x).
HEAD = 32
TURNING = (8, 12, 12)

#: Channels of the level before it is projected.
TIME = 64

#: Channels of what a token is made of: noisy latents, photo, mask, places.
INPUTS = 2 * CHANNELS + MASKS + 2 * (2 * len(WAVELENGTHS) + len(FRAME_WAVES))


@attrs.frozen(kw_only=True)
class Sizes:
    """The sizes that tell one network from another.

    Attributes:
        width: channels of a token, a multiple of 32.
        depth: how many blocks.
    """

    width: int = 192
    depth: int = 6


class Attention(nn.Module):
    """Attention among all tokens, queries and keys normed and turned by their places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.norm_q = nn.Parameter(torch.ones(HEAD))
        self.norm_k = nn.Parameter(torch.ones(HEAD))

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """``(B, L, C)`` to ``(B, L, C)``."""
        q, k, v = (
            project(x).unflatten(2, (self.heads, HEAD)).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        q = turned(F.rms_norm(q, (HEAD,)) * self.norm_q.to(q.dtype), turns)
        k = turned(F.rms_norm(k, (HEAD,)) * self.norm_k.to(k.dtype), turns)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.to_out[0](mixed.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention and a perceptron, each scaled, shifted and gated by the level."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(6, width) / width**0.5)
        self.attention = Attention(width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, level: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """Tokens ``(B, L, C)`` to ``(B, L, C)``.

        Args:
            level: ``(B, 6, C)``, for all blocks alike.
            turns: of the rotary places.
        """
        shift, scale, gate, shift_2, scale_2, gate_2 = (
            part.to(x.dtype) for part in (level + self.table)[:, :, None].unbind(1)
        )
        x = x + gate * self.attention(_normed(x) * (1 + scale) + shift, turns)
        out: Tensor = x + gate_2 * self.perceptron(_normed(x) * (1 + scale_2) + shift_2)
        return out


class Transformer(nn.Module):
    """A diffusion transformer whose tokens are single patches of 8x8 pixels.

    Its output starts at zero.

    Args:
        sizes: of the network.
    """

    def __init__(self, sizes: Sizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes or Sizes()
        width = self.sizes.width
        self.patch_embedding = nn.Linear(INPUTS, width)
        self.time_embedding = nn.Sequential(
            nn.Linear(TIME, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.time_projection = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(self.sizes.depth))
        self.table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.output = nn.Linear(width, CHANNELS)
        with torch.no_grad():
            self.time_projection.weight.zero_()
            self.time_projection.bias.zero_()
            self.output.weight.zero_()
            self.output.bias.zero_()

    def forward(self, patches: Tensor, time: Tensor) -> Tensor:
        """The output ``(B, T, 16, h, w)``.

        Args:
            patches: noisy latents, photo and mask, ``(B, T, 33, h, w)``.
            time: 1000 sigma, ``(B,)``.
        """
        batch, frames, _, height, width = patches.shape
        grid = (frames, height, width)
        waves = places(grid, patches.device).to(patches.dtype)
        told = torch.cat([patches, waves.expand(batch, -1, -1, -1, -1)], dim=2)
        x: Tensor = self.patch_embedding(told.permute(0, 1, 3, 4, 2).flatten(1, 3))
        turns = rotations(grid, patches.device, x.dtype)
        embedded = self.time_embedding(level_waves(time).to(patches.dtype))
        level = self.time_projection(embedded).unflatten(1, (6, -1))
        for block in self.blocks:
            x = block(x, level, turns)
        shift, scale = (
            part.to(x.dtype) for part in (embedded[:, None] + self.table)[:, :, None].unbind(1)
        )
        out: Tensor = self.output(_normed(x) * (1 + scale) + shift)
        grids: Tensor = out.unflatten(1, grid).permute(0, 1, 4, 2, 3)
        return grids

    def parts(self) -> Iterator[nn.Module]:
        """The blocks, without what acts on them."""
        for block in self.blocks:
            yield block.inner if isinstance(block, SiteModule) else block


@attrs.frozen(eq=False)
class Scalings:
    """What brings a network's input and output to a deviation of about 1 at a level.

    For ``alpha * clean + sigma * noise``: the difference from the photo is ``c_skip * x + c_out *
    network(c_in * x)``. Karras et al. 2022 (EDM), table 1, for any alpha.
    """

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor

    @classmethod
    def of(cls, level: Level) -> Scalings:
        """Those of a level, shaped for ``(B, T, C, h, w)``."""
        alpha, sigma = (
            scale.view(-1, 1, 1, 1, 1) if scale.ndim else scale
            for scale in (level.alpha, level.sigma)
        )
        power = (alpha * DIFFERENCE_STD) ** 2 + sigma**2
        return cls(
            c_skip=alpha * DIFFERENCE_STD**2 / power,
            c_out=sigma * DIFFERENCE_STD / power.sqrt(),
            c_in=power.rsqrt(),
        )


def clean_prediction(
    network: nn.Module, latents: Tensor, level: Level, photo: Tensor, condition: Tensor
) -> Tensor:
    """The clean latents ``(B, T, 16, h, w)``, float32.

    The network sees and predicts how a frame differs from the photo, which is zero wherever nothing
    moves: an untrained one holds still.

    Args:
        latents: noisy, ``(B, T, 16, h, w)``.
        level: of the noise; 0-d or ``(B,)``.
        photo: ``(B, 1, 16, h, w)``.
        condition: ``(B, T, 17, h, w)``: mask and the photo's latents, frame by frame.
    """
    scalings = Scalings.of(level)
    alpha = level.alpha.view(-1, 1, 1, 1, 1) if level.alpha.ndim else level.alpha
    noisy = latents - alpha * photo
    seen = torch.cat([scalings.c_in * noisy, condition.to(noisy.dtype)], dim=2)
    time = (level.sigma * FLOW_TIMES).to(latents.device).expand(len(latents))
    output: Tensor = network(seen.to(next(network.parameters()).dtype), time).float()
    return photo + scalings.c_skip * noisy + scalings.c_out * output


def feature_sites(sizes: Sizes) -> tuple[Site, ...]:
    """After the patch embedding, and after every second block of the first two thirds."""
    modules = {"patches": "patch_embedding"}
    modules |= {f"block-{n}": f"blocks.{n}" for n in range(1, max(2, sizes.depth * 2 // 3), 2)}
    return tuple(
        Site(name=name, kind="feature", channels=sizes.width, stride=PATCH, module=module)
        for name, module in modules.items()
    )


def places(grid: Grid, device: torch.device) -> Tensor:
    """Sines and cosines of the places of a grid of tokens, ``(T, 18, h, w)``."""
    frames, height, width = grid
    t, y, x = torch.meshgrid(
        torch.arange(frames, device=device) + 0.0,
        torch.arange(height, device=device) + 0.5,
        torch.arange(width, device=device) + 0.5,
        indexing="ij",
    )
    turns = [2 * math.pi * place / length for length in WAVELENGTHS for place in (x, y)]
    turns += [2 * math.pi * t / length for length in FRAME_WAVES]
    return torch.stack([wave(turn) for turn in turns for wave in (torch.sin, torch.cos)], dim=1)


def rotations(grid: Grid, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``(L, 32)`` of the turns of the tokens of a grid."""
    axes = torch.meshgrid(*(torch.arange(side, device=device) for side in grid), indexing="ij")
    angles = [
        axis.flatten()[:, None] * _speeds(channels, device)
        for axis, channels in zip(axes, TURNING, strict=True)
    ]
    turn = torch.cat(angles, dim=1).repeat_interleave(2, dim=1)
    return turn.cos().to(dtype), turn.sin().to(dtype)


def _speeds(channels: int, device: torch.device) -> Tensor:
    """Radians per step of pairs of channels, from a quarter turn to a hundredth of it."""
    share = torch.arange(channels // 2, device=device) / max(channels // 2 - 1, 1)
    return math.pi / 2 * 100.0**-share


def turned(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Heads ``(B, heads, L, 32)`` with each pair of channels turned (Su et al. 2021)."""
    pairs = x.unflatten(-1, (-1, 2))
    across = torch.stack([-pairs[..., 1], pairs[..., 0]], dim=-1).flatten(-2)
    return x * turns[0] + across * turns[1]


def level_waves(time: Tensor) -> Tensor:
    """Sines and cosines ``(B, 64)`` of times ``(B,)`` in [0, 1000]."""
    share = torch.arange(TIME // 2, device=time.device) / (TIME // 2)
    turn = time.float()[:, None] * torch.exp(-math.log(10_000) * share)
    return torch.cat([turn.cos(), turn.sin()], dim=1)


def _normed(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])
