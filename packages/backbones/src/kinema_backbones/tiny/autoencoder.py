"""The latents of ``tiny``: the low frequencies of patches, a linear code that is never trained."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

#: Side of a patch in pixels, and the code's channels: frequencies of the brightness and of each of
#: the two colour differences.
PATCH = 8
LUMA, CHROMA = 10, 3
CHANNELS = LUMA + 2 * CHROMA

#: Rows: brightness, red against green, blue against both; orthonormal.
_COLOURS = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), -1 / math.sqrt(2), 0.0),
    (-1 / math.sqrt(6), -1 / math.sqrt(6), 2 / math.sqrt(6)),
)


class PatchAutoencoder(nn.Module):
    """The discrete cosine transform of 8x8 patches, highest frequencies left out.

    Latents are ``(N, 16, H / 8, W / 8)``. A frequency ``f``, in half waves per patch, is weighted
    by ``2 * (1 + f) ** 0.5``: natural images fall off faster, so the low ones still lead. The
    latents then deviate by about 3.5, and with the preconditioning of Stable Video Diffusion the
    network predicts pictures rather than noise at every level that matters, which it learns far
    sooner. It has the face of diffusers' AutoencoderKLTemporalDecoder as far as
    :class:`~kinema_backbones.svd.backbone.SvdBackbone` reads it.
    """

    basis: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(block_out_channels=(1, 1, 1, 1), scaling_factor=1.0)
        basis, weight = _basis()
        self.register_buffer("basis", basis)
        # A parameter, so that the module says of itself where it is and in what precision.
        self.weight = nn.Parameter(weight, requires_grad=False)

    def encode(self, images: Tensor) -> Any:
        """Latents of images ``(N, 3, H, W)`` in [-1, 1], as ``.latent_dist.mode()``."""
        code = nn.functional.conv2d(images, self.basis.to(images.dtype), stride=PATCH)
        latents = code * self.weight[:, None, None]
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))

    def decode(
        self, latents: Tensor, num_frames: int = 1, return_dict: bool = False
    ) -> tuple[Tensor]:
        """Images ``(N, 3, H, W)`` in [-1, 1] of latents ``(N, 16, h, w)``."""
        code = latents / self.weight[:, None, None]
        return (nn.functional.conv_transpose2d(code, self.basis.to(code.dtype), stride=PATCH),)


class ColourGrid(nn.Module):
    """The image embedding of ``tiny``: mean colours of a 3 x 3 grid, ``(B, 27)``."""

    WIDTH = 27

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, image: Tensor) -> Any:
        """``.image_embeds`` of images ``(B, 3, H, W)``."""
        grid = nn.functional.adaptive_avg_pool2d(image, 3).flatten(1) * self.scale
        return SimpleNamespace(image_embeds=grid)


def _basis() -> tuple[Tensor, Tensor]:
    """The kept patterns ``(C, 3, 8, 8)``, orthonormal, and their weights ``(C,)``."""
    wave = torch.arange(PATCH, dtype=torch.float64)
    cosines = torch.cos(math.pi / PATCH * (wave[None] + 0.5) * wave[:, None])
    cosines[0] *= math.sqrt(0.5)
    cosines *= math.sqrt(2 / PATCH)
    order = sorted(
        ((v, u) for v in range(PATCH) for u in range(PATCH)),
        key=lambda at: (at[0] ** 2 + at[1] ** 2, at),
    )
    kept = [(0, at) for at in order[:LUMA]]
    kept += [(colour, at) for colour in (1, 2) for at in order[:CHROMA]]
    colours = torch.tensor(_COLOURS, dtype=torch.float64)
    patterns = [
        colours[colour][:, None, None] * torch.outer(cosines[v], cosines[u])
        for colour, (v, u) in kept
    ]
    weights = [2 * math.sqrt(1 + math.hypot(v, u)) for _, (v, u) in kept]
    return torch.stack(patterns).float(), torch.tensor(weights)
