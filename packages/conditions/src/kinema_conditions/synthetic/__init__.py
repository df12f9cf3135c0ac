"""Clips whose motion is known exactly: the ground truth of tests, trackers and benchmarks."""

from kinema_conditions.synthetic.ambiguous import AmbiguousPair, ambiguous_pairs
from kinema_conditions.synthetic.calibration import calibration_clip
from kinema_conditions.synthetic.clip import SyntheticClip, film, generate
from kinema_conditions.synthetic.scene import Layer, Scene
from kinema_conditions.synthetic_config import SyntheticConfig

__all__ = [
    "AmbiguousPair",
    "Layer",
    "Scene",
    "SyntheticClip",
    "SyntheticConfig",
    "ambiguous_pairs",
    "calibration_clip",
    "film",
    "generate",
]
