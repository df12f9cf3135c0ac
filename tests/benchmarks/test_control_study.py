"""The study of control: its arms can be trained, and its table says what was found."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from kinema.plugins import Plugins

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "control_study.py"

pytestmark = pytest.mark.all_packages


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("control_study", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["control_study"] = module
    spec.loader.exec_module(module)
    return module


def test_arms_name_what_exists_and_count_their_channels(study: ModuleType) -> None:
    plugins = Plugins.installed()
    for arm in study.ARMS.values():
        channels = 0
        for name, options in arm.conditions.items():
            channels += len(plugins.build("condition", name, options).channels)
        if arm.controller:
            plugins.find("controller", arm.controller)
            assert channels == arm.channels


def test_scenes_are_unseen_and_have_one_drag_worth_following(study: ModuleType) -> None:
    (name, photo, motion), *_ = study.test_items(1)
    assert name.startswith("scene-")
    assert photo.shape == (64, 64, 3)
    (drag,) = motion.drags
    path = np.array(drag.points)
    assert np.linalg.norm(path[-1] - path[0]) >= 4


def test_the_table_lists_the_arms_that_were_run(study: ModuleType, tmp_path: Path) -> None:
    found = {
        "arm": "add",
        "summary": {"mean": 2.5, "low": 2.0, "high": 3.125, "count": 24},
        "pairs": [{"object": 1.0, "camera": 6.0, "drag": 8.0}],
    }
    (tmp_path / "add.json").write_text(json.dumps(found))
    lines = study.table(tmp_path).splitlines()
    assert lines[2:] == ["| add | 2.50 | 2.00 to 3.12 | 1.0 px, 6.0 px |"]
