"""The test kit for plugin authors: conformance suites, a toy backbone, and a pytest plugin.

Subclass the suite of what you wrote, in a test file of yours::

    from kinema.testing import ConditionContract

    class TestRipple(ConditionContract):
        def make(self):
            return Ripple(RippleConfig())

The pytest plugin is loaded by itself and gives the fixture ``kinema_plugins``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinema.testing.backbone_contract import BackboneContract
    from kinema.testing.contracts import (
        ConditionContract,
        ControllerContract,
        DepthEstimatorContract,
        ImporterContract,
        MetricContract,
        TrackerContract,
    )
    from kinema.testing.evaluation_contracts import BenchmarkContract, SetMetricContract
    from kinema.testing.source_contract import ClipSourceContract
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
    "BenchmarkContract",
    "ClipSourceContract",
    "ConditionContract",
    "ControllerContract",
    "DepthEstimatorContract",
    "ImporterContract",
    "MetricContract",
    "SetMetricContract",
    "ToyBackbone",
    "ToyBackboneConfig",
    "ToyFeatureController",
    "ToyLatentController",
    "ToyNoiseController",
    "TrackerContract",
    "toy_plugin",
]

# The pytest plugin lives in this package and is loaded at every start of pytest, wherever kinema is
# installed: nothing heavy may be imported before a test asks for it.
_HOMES = {
    "BackboneContract": "kinema.testing.backbone_contract",
    "BenchmarkContract": "kinema.testing.evaluation_contracts",
    "ClipSourceContract": "kinema.testing.source_contract",
    "ConditionContract": "kinema.testing.contracts",
    "ControllerContract": "kinema.testing.contracts",
    "DepthEstimatorContract": "kinema.testing.contracts",
    "ImporterContract": "kinema.testing.contracts",
    "MetricContract": "kinema.testing.contracts",
    "SetMetricContract": "kinema.testing.evaluation_contracts",
    "ToyBackbone": "kinema.testing.toys",
    "ToyBackboneConfig": "kinema.testing.toys",
    "ToyFeatureController": "kinema.testing.toys",
    "ToyLatentController": "kinema.testing.toys",
    "ToyNoiseController": "kinema.testing.toys",
    "TrackerContract": "kinema.testing.contracts",
    "toy_plugin": "kinema.testing.toys",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'kinema.testing' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return sorted(__all__)
