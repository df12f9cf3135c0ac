"""The tests of the metric ``liveliness`` and the benchmark ``puddles``."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch
from kinema import Drag, Motion, Plugins
from kinema.testing import BenchmarkContract, MetricContract

from kinema_ripple.scoring import Liveliness, Puddles, PuddlesConfig


class TestLiveliness(MetricContract):
    """Every promise of a metric, checked by kinema's own suite."""

    def make(self) -> Liveliness:
        """The metric under test."""
        return Liveliness()


class TestPuddles(BenchmarkContract):
    """Every promise of a benchmark."""

    def make(self) -> Puddles:
        """The benchmark under test."""
        return Puddles(PuddlesConfig(count=3))


def test_both_are_found_by_name() -> None:
    plugins = Plugins.installed()
    for kind, name in (("metric", "liveliness"), ("benchmark", "puddles")):
        assert plugins.find(kind, name).source.distribution == "kinema-ripple"


def test_listing_them_loads_no_torch() -> None:
    code = "import sys, kinema_ripple.scoring; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_still_video_is_not_lively_and_a_flashing_one_is() -> None:
    motion = Motion(canvas=(8, 8), drags=[Drag([(4, 4)])])
    still = torch.zeros(4, 8, 8, 3, dtype=torch.uint8)
    assert Liveliness().measure(still, motion) == {"liveliness": 0.0}
    still[1::2] = 10
    assert Liveliness().measure(still, motion) == {"liveliness": 10.0}


def test_the_drop_falls_inside() -> None:
    benchmark = Puddles(PuddlesConfig())
    for item in benchmark.items():
        (x, y) = benchmark.read(item).motion.drags[0].points[0]
        assert np.all((0 <= x < 96, 0 <= y < 64))
