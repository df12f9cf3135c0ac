"""Options. Torch-free, so that listing plugins stays quick."""

from __future__ import annotations

import attrs

import kinema


@attrs.frozen(kw_only=True)
class WanLikeConfig:
    """Options of the backbone."""

    device: str = "cpu"
    """Where it computes."""
    seed: int = 0
    """Of its random weights."""
    weights: str = ""
    """Folder that training wrote; empty means random weights."""


@attrs.frozen(kw_only=True)
class WanLikeSample(kinema.SampleConfig):
    """Options of sampling, as the models of this family publish them."""

    steps: int = 40
    """Network steps from noise to video."""
    solver: str = "unipc"
    """How a step is taken."""
    spacing: str = "unipc"
    """How the levels are spaced."""
    shift: float = 3.0
    """How far the levels are moved towards noise."""
    guidance: float = 5.0
    """Scale of the prompt against the negative prompt; 1 is off."""


@attrs.frozen(kw_only=True)
class WanLikeTraining:
    """Options of training."""

    shift: float = 3.0
    """How far the drawn levels are moved towards noise."""
    drop_prompt: float = 0.1
    """Share of clips without their caption."""
