"""Options of the backbone ``tiny-flow``. Torch-free."""

from __future__ import annotations

import math

import attrs

from kinema.config import FlowTraining, SampleConfig
from kinema.errors import InputError


@attrs.frozen(kw_only=True)
class TinyFlowSample(SampleConfig):
    """Sampling options of the ``tiny-flow`` backbone.

    Raises:
        InputError: a value is out of range.
    """

    steps: int = 8
    """Network steps from noise to video."""
    shift: float = 5.0
    """How far the levels are moved towards noise, where it is decided where things go."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not 0 < self.shift < math.inf:
            raise InputError(f"shift must be a positive number, got {self.shift!r}.")


@attrs.frozen(kw_only=True)
class TinyFlowTraining(FlowTraining):
    """Options of training with the ``tiny-flow`` backbone.

    Raises:
        InputError: a value is out of range.
    """

    levels: str = "logit-normal"  # type: ignore[assignment]
    """How sigma is drawn: uniform; shifted, uniform and then moved towards noise by ``shift``;
    logit-normal, the sigmoid of a normal number; shifted-logit-normal, that one moved alike."""
    logit_mean: float = 1.6
    """Mean of the normal number; above 0 there is more noise."""
    logit_std: float = 1.2
    """Its standard deviation."""
    least_level: float = 0.02
    """No sigma below it is drawn."""


@attrs.frozen(kw_only=True)
class TinyFlowConfig:
    """Options of the backbone ``tiny-flow``.

    Raises:
        InputError: a value is out of range.
    """

    weights: str = ""
    """Folder of weights that ``kinema train`` wrote; empty takes those that come along."""
    device: str = "cpu"
    """Where it computes."""
    dtype: str = "float32"
    """float32, or bfloat16."""
    untrained: bool = False
    """Start from random weights instead of any file, to train it from nothing."""
    seed: int = 0
    """Of those random weights."""
    width: int = 192
    """Channels of an untrained network's tokens, a multiple of 32."""
    depth: int = 6
    """Blocks of an untrained network."""

    def __attrs_post_init__(self) -> None:
        if self.dtype not in ("float32", "bfloat16"):
            raise InputError(
                f"The backbone 'tiny-flow' computes in float32 or bfloat16, got {self.dtype!r}."
            )
        if self.untrained and self.weights:
            raise InputError(
                f"The backbone 'tiny-flow' cannot be untrained and read {self.weights!r}: leave "
                "out one."
            )
        if self.width < 32 or self.width % 32 or not 1 <= self.depth <= 64:
            raise InputError(
                "The backbone 'tiny-flow' needs a width that is a multiple of 32 and 1 to 64 "
                f"blocks, got {self.width!r} and {self.depth!r}."
            )
