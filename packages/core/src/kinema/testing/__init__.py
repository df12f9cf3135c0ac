"""The test kit for plugin authors: conformance suites, a toy backbone, and a pytest plugin.

Subclass the suite of what you wrote, in a test file of yours::

    from kinema.testing import ConditionContract

    class TestRipple(ConditionContract):
        def make(self):
            return Ripple(RippleConfig())

The pytest plugin is loaded by itself and gives the fixture ``kinema_plugins``.
"""

from __future__ import annotations

from kinema.testing.backbone_contract import BackboneContract
from kinema.testing.contracts import (
    ConditionContract,
    ControllerContract,
    DepthEstimatorContract,
    ImporterContract,
    MetricContract,
    TrackerContract,
)
from kinema.testing.toys import (
    ToyBackbone,
    ToyBackboneConfig,
    ToyFeatureController,
    ToyLatentController,
    ToyNoiseController,
    toy_plugin,
)

__all__ = [
    "BackboneContract",
    "ConditionContract",
    "ControllerContract",
    "DepthEstimatorContract",
    "ImporterContract",
    "MetricContract",
    "ToyBackbone",
    "ToyBackboneConfig",
    "ToyFeatureController",
    "ToyLatentController",
    "ToyNoiseController",
    "TrackerContract",
    "toy_plugin",
]
