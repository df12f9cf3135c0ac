"""One video in the making."""

from __future__ import annotations

import attrs

from kinema.config import SampleConfig
from kinema.motion import Motion
from kinema.region import Size


@attrs.frozen(kw_only=True)
class Run:
    """One video in the making, as events see it."""

    backbone: str
    controller: str
    motion: Motion
    size: Size
    frames: int
    fps: float
    seed: int
    sample: SampleConfig
