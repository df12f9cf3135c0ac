"""Compilation and memory layout: the same function, run faster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kinema.files import write_atomically
from kinema_backbones.svd.config import SvdConfig
from kinema_backbones.svd.images import plain_decoder
from kinema_backbones.svd.network import Network

#: Videos, frames, latent height, latent width.
VideoShape = tuple[int, int, int, int]


class Acceleration:
    """Says which videos run compiled: a video is decided once, by its shape, and never changes.

    Attributes:
        channels_last: whether 2-d convolutions' weights are kept channels-last.
    """

    def __init__(self, network: Network, vae: Any, config: SvdConfig) -> None:
        self._network = network
        self._vae = vae
        self._mode = config.compile
        self._cache = Path(config.compile_cache) if config.compile_cache else None
        self._warm: set[VideoShape] = set()
        self._compiled: tuple[Callable[..., Any], Callable[..., Tensor]] | None = None
        self.channels_last = config.channels_last and torch.device(config.device).type == "cuda"
        if self.channels_last:
            channels_last(network.unet)
            channels_last(vae)

    def compiles(self, shape: VideoShape) -> bool:
        """Whether videos of this shape run compiled."""
        return self._mode == "on" or (self._mode == "warm" and shape in self._warm)

    def forward(self, compiled: bool) -> Callable[..., Any]:
        """The network's forward."""
        return self._both()[0] if compiled else self._network.unet

    def decoder(self, shape: tuple[int, int, int]) -> Callable[..., Tensor]:
        """Decodes latents of this many frames, height and width: ``(latents, num_frames)``."""
        compiled = self._mode == "on" or any(warm[1:] == shape for warm in self._warm)
        return self._both()[1] if compiled else plain_decoder(self._vae)

    def warm(self, shape: VideoShape, rehearse: Callable[[], None]) -> None:
        """Compile for this shape by a rehearsal, and keep the artifacts if so configured."""
        if self._mode == "warm":
            self._warm.add(shape)
        rehearse()
        if self._cache is not None and self._mode != "off":
            artifacts = torch.compiler.save_cache_artifacts()
            if artifacts is not None:
                data = artifacts[0]
                write_atomically(self._cache, lambda part: part.write_bytes(data))

    def _both(self) -> tuple[Callable[..., Any], Callable[..., Tensor]]:
        if self._compiled is None:
            if self._cache is not None and self._cache.is_file():
                torch.compiler.load_cache_artifacts(self._cache.read_bytes())
            options: dict[str, Any] = {"fullgraph": True, "dynamic": False}
            self._compiled = (
                torch.compile(self._network.unet.forward, **options),
                torch.compile(plain_decoder(self._vae), **options),
            )
        return self._compiled


def channels_last(module: nn.Module) -> None:
    """Lay the weights of 2-d convolutions out channels-last; 3-d ones have no such layout."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.to(memory_format=torch.channels_last)
