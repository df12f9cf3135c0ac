"""What observers of a run or of a training are told, and how they are called."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pluggy

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion

#: The seeds that torch's generators take.
SEEDS = range(-(2**63), 2**64)


@attrs.frozen(kw_only=True)
class Run:
    """One video in the making, as events see it.

    Raises:
        InputError: fewer than two frames, an fps that is not a positive number, or a seed that is
            not a whole number of 64 bits.
    """

    backbone: str
    controller: str
    motion: Motion
    size: Size
    frames: int
    fps: float
    seed: int
    sample: SampleConfig

    def __attrs_post_init__(self) -> None:
        if self.frames < 2 or not 0 < self.fps < math.inf:
            raise InputError(
                f"A video needs at least 2 frames and a positive fps, got {self.frames!r} frames "
                f"at {self.fps!r} fps."
            )
        seed: object = self.seed
        if not isinstance(seed, int) or seed not in SEEDS:
            raise InputError(
                f"A seed must be a whole number from {SEEDS[0]} to {SEEDS[-1]}, got {seed!r}."
            )


@attrs.frozen(kw_only=True)
class Training:
    """One training in progress.

    Attributes:
        name: of the run folder.
        folder: where checkpoints, the resolved config and the samples go.
        config: the resolved recipe, as plain data.
        clips: clips of the data set.
        trainable: parameters being trained.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    clips: int
    trainable: int


def notify(observers: pluggy.HookRelay, event: str, **values: Any) -> None:
    """Call ``event`` on every observer; one that fails is named in a warning, nothing more."""
    for implementation in getattr(observers, event).get_hookimpls():
        try:
            implementation.function(*(values[name] for name in implementation.argnames))
        except Exception as error:
            warnings.warn(
                f"The plugin {implementation.plugin_name!r} failed in {event}: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
