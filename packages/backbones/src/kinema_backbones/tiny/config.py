"""Options of the backbone ``tiny``. Torch-free."""

from __future__ import annotations

import attrs

from kinema.errors import InputError
from kinema_backbones.svd.config import SvdSample


@attrs.frozen(kw_only=True)
class TinySample(SvdSample):
    """Sampling options of the ``tiny`` backbone.

    It always saw the photo in training, so there is no guidance towards it. Where things go is
    settled at strong noise; further steps at weaker noise would only add what a network of this
    size gets wrong. Motion guidance makes up for some of what it leaves of a drag. The defaults
    were chosen on 32 scenes of seed 77, which no training and no test has.
    """

    steps: int = 4
    """Network steps from noise to video."""
    motion_guidance: float = 1.5
    """Scale of the motion against the zero signal; 1 is off, above 1 follows it more strongly."""
    sigma_max: float = 120.0
    """Noise level the schedule starts at."""
    sigma_min: float = 20.0
    """Last noise level above zero."""
    guidance_max: float = 1.0
    """Classifier-free guidance scale of the last frame; linear in between."""


@attrs.frozen(kw_only=True)
class TinyConfig:
    """Options of the backbone ``tiny``.

    Raises:
        InputError: a value is out of range.
    """

    weights: str = ""
    """Folder of weights that ``kinema train`` wrote; empty takes those that come along."""
    device: str = "cpu"
    """Where it computes."""
    dtype: str = "float32"
    """float32, or bfloat16."""
    noise_aug: float = 0.02
    """Strength of the noise on the photo, in [-1, 1] units, before it is encoded."""
    motion_bucket_id: float = 6.0
    """How much motion it is asked for: the mean displacement of all pixels, in pixels."""
    untrained: bool = False
    """Start from random weights instead of any file, to train it from nothing."""
    seed: int = 0
    """Of those random weights."""
    channels: tuple[int, ...] = (64, 96)
    """Of an untrained network's levels, finest first; multiples of 32."""

    def __attrs_post_init__(self) -> None:
        if self.dtype not in ("float32", "bfloat16") or not 0 <= self.noise_aug < 10:
            raise InputError(
                "The backbone 'tiny' computes in float32 or bfloat16, with noise_aug in [0, 10); "
                f"got {self.dtype!r} and {self.noise_aug!r}."
            )
        if self.untrained and self.weights:
            raise InputError(
                f"The backbone 'tiny' cannot be untrained and read {self.weights!r}: leave out one."
            )
        if len(self.channels) < 2 or any(c < 32 or c % 32 for c in self.channels):
            raise InputError(
                "The backbone 'tiny' needs at least two levels whose channels are multiples of 32, "
                f"got {self.channels!r}."
            )
