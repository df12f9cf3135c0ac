"""Every condition and depth estimator of this package keeps the promises of its protocol."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from kinema.interfaces import ClipSource, Condition, DepthEstimator
from kinema.plugins import Plugins
from kinema.testing import ClipSourceContract, ConditionContract, DepthEstimatorContract
from kinema_conditions.synthetic.source import SyntheticSource
from kinema_conditions.synthetic_config import SyntheticSourceConfig


class FirstPartyCondition(ConditionContract):
    """Built by name, as everybody builds them."""

    name: ClassVar[str]

    def make(self) -> Condition:
        built: Condition = Plugins.installed().build("condition", self.name)
        return built


class TestRegionTrajectory(FirstPartyCondition):
    name = "region-trajectory"


class TestMotionMask(FirstPartyCondition):
    name = "motion-mask"


class TestGaussianTrajectory(FirstPartyCondition):
    name = "gaussian-trajectory"


class TestCameraTrajectory(FirstPartyCondition):
    name = "camera-trajectory"


class TestLayeredMotion(FirstPartyCondition):
    name = "layered-motion"


class TestPlanePrior(DepthEstimatorContract):
    def make(self) -> DepthEstimator:
        built: DepthEstimator = Plugins.installed().build("depth estimator", "plane-prior")
        return built


class TestDepthFile(DepthEstimatorContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "depth.npy"
        np.save(self.path, np.linspace(1, 4, 90 * 70).reshape(70, 90))

    def make(self) -> DepthEstimator:
        options = {"path": str(self.path)}
        built: DepthEstimator = Plugins.installed().build("depth estimator", "depth-file", options)
        return built


class TestSynthetic(ClipSourceContract):
    def make(self) -> ClipSource:
        return SyntheticSource(SyntheticSourceConfig(seed=3, count=2))
