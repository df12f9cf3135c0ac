"""What trackers, metrics and importers must do.

Shape legend, here and everywhere: ``B`` batch, ``T`` frames, ``C`` channels, ``H W`` pixels,
``h w`` latent pixels, ``N`` points. Sizes are (width, height); tensors are (..., H, W).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from kinema.motion.motion import Motion
from kinema.signals import Observation


@runtime_checkable
class Tracker(Protocol):
    """Sees how a real clip moves."""

    def observe(self, frames: Tensor) -> Observation:
        """Dense motion from frame 0 of uint8 ``(T, H, W, 3)``."""

    def track(self, frames: Tensor, points: Tensor, frame: int = 0) -> tuple[Tensor, Tensor]:
        """Where ``points`` ``(N, 2)`` pixels of one frame go: ``(T, N, 2)``, visible ``(T, N)``."""


@runtime_checkable
class Metric(Protocol):
    """Scores a video against the motion that was asked for."""

    def measure(self, frames: Tensor, motion: Motion) -> Mapping[str, float]:
        """Named numbers for uint8 ``(T, H, W, 3)`` frames."""


@runtime_checkable
class Importer(Protocol):
    """Reads a foreign checkpoint."""

    def convert(self, source: Path, out: Path) -> Mapping[str, Any]:
        """Write the folder ``out``; report what was used, unused and missing, by group."""
