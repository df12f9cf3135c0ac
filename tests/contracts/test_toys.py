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


class TestToyLatent(ControllerContract):
    neutral_at_start = False

    def make(self) -> Controller:
        return ToyLatentController()


class TestToyNoise(ControllerContract):
    def make(self) -> Controller:
        return ToyNoiseController()

    def signal(self) -> MotionSignal:
        return MotionSignal(maps=torch.full((5, 2, 64, 96), 8.0), channels=("dx", "dy"))
