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
    """Decides once per video whether it runs compiled; a video never changes midway.

    Attributes:
        used: ``on`` or ``off``, for the video at hand.
        decoder: decodes the video at hand.
        channels_last: whether 2-d convolutions' weights are kept channels-last.
    """

    def __init__(self, network: Network, vae: Any, config: SvdConfig) -> None:
        self._network = network
        self._vae = vae
        self._mode = config.compile
        self._cache = Path(config.compile_cache) if config.compile_cache else None
        self._warm: set[VideoShape] = set()
        self._compiled: tuple[Callable[..., Any], Callable[..., Tensor]] | None = None
        self.used = "off"
        self.decoder = plain_decoder(vae)
        self.channels_last = config.channels_last and torch.device(config.device).type == "cuda"
        if self.channels_last:
            channels_last(network.unet)
            channels_last(vae)

    def begin(self, shape: VideoShape) -> None:
        """A video of this shape starts: choose compiled or eager for all of it."""
        compiled = self._mode == "on" or (self._mode == "warm" and shape in self._warm)
        self._use(compiled)

    def warm(self, shape: VideoShape, rehearse: Callable[[], None]) -> None:
        """Compile for this shape by a rehearsal, and keep the artifacts if so configured."""
        self._warm.add(shape)
        rehearse()
        if self._cache is not None and self._mode != "off":
            artifacts = torch.compiler.save_cache_artifacts()
            if artifacts is not None:
                data = artifacts[0]
                write_atomically(self._cache, lambda part: part.write_bytes(data))

    def _use(self, compiled: bool) -> None:
        self.used = "on" if compiled else "off"
        if not compiled:
            self._network.forward = self._network.unet
            self.decoder = plain_decoder(self._vae)
            return
        if self._compiled is None:
            if self._cache is not None and self._cache.is_file():
                torch.compiler.load_cache_artifacts(self._cache.read_bytes())
            options: dict[str, Any] = {"fullgraph": True, "dynamic": False}
            self._compiled = (
                torch.compile(self._network.unet.forward, **options),
                torch.compile(plain_decoder(self._vae), **options),
            )
        self._network.forward, self.decoder = self._compiled


def channels_last(module: nn.Module) -> None:
    """Lay the weights of 2-d convolutions out channels-last; 3-d ones have no such layout."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.to(memory_format=torch.channels_last)
