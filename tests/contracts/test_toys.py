"""The suites hold for the toys, so that a failure in a plugin is the plugin's."""

from __future__ import annotations

import torch

from kinema.interfaces import Condition, Controller
from kinema.signals import MotionSignal
from kinema.testing import (
    BackboneContract,
    ConditionContract,
    ControllerContract,
    ToyBackbone,
    ToyFeatureController,
    ToyLatentController,
    ToyNoiseController,
)
from kinema.testing.toys import ToyShift


class TestToyBackbone(BackboneContract):
    def make(self) -> ToyBackbone:
        return ToyBackbone()

    def controller(self, sites: object) -> Controller:
        controller = ToyFeatureController()
        torch.nn.init.ones_(controller.bias.weight)
        return controller


class TestToyShift(ConditionContract):
    def make(self) -> Condition:
        return ToyShift()


class TestToyFeature(ControllerContract):
    def make(self) -> Controller:
        return ToyFeatureController()


def rightwards() -> MotionSignal:
    """Everything moves right by 2 latent pixels a frame."""
    dx = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 64, 96) * 16
    return MotionSignal(maps=torch.cat([dx, torch.zeros_like(dx)], 1), channels=("dx", "dy"))


class TestToyLatent(ControllerContract):
    neutral_at_start = False

    def make(self) -> Controller:
        return ToyLatentController()

    def signal(self) -> MotionSignal:
        return rightwards()


class TestToyNoise(ControllerContract):
    neutral_at_start = False

    def make(self) -> Controller:
        return ToyNoiseController()

    def signal(self) -> MotionSignal:
        return rightwards()
