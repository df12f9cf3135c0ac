"""One video in the making."""

from __future__ import annotations

import math

import attrs

from kinema.config import SampleConfig
from kinema.errors import InputError
from kinema.motion import Motion
from kinema.region import Size

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
