"""The study of control: its arms can be trained, and its table says what was found."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import attrs
import numpy as np
import pytest

from kinema.evaluation import Score
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
            options = {**arm.options, "channels": arm.channels}
            plugins.build("controller", arm.controller, options)
            assert channels == arm.channels


def test_a_recipe_of_each_arm_says_what_it_reads(study: ModuleType, tmp_path: Path) -> None:
    for arm in study.ARMS.values():
        recipe = study.recipe_of(arm, tmp_path, tmp_path / "weights", steps=3, seed=1)
        assert (recipe.controller, recipe.steps, recipe.seed) == (arm.controller, 3, 1)
        assert recipe.conditions == tuple(arm.conditions)
        assert recipe.condition_options == {n: dict(o) for n, o in arm.conditions.items()}


def test_scenes_are_unseen_and_have_one_drag_worth_following(study: ModuleType) -> None:
    (name, photo, motion), *_ = study.test_items(1)
    assert name.startswith("scene-")
    assert photo.shape == (64, 64, 3)
    (drag,) = motion.drags
    path = np.array(drag.points)
    assert np.linalg.norm(path[-1] - path[0]) >= 4


def score(item: str, seed: int, distance: float) -> dict[str, object]:
    return attrs.asdict(Score(item=item, seed=seed, values={"trajectory-distance": distance}))


def test_the_table_lists_the_arms_that_were_run_with_all_their_seeds(
    study: ModuleType, tmp_path: Path
) -> None:
    for seed, distances in enumerate([(2.0, 3.0), (2.0, 4.0)]):
        scores = [score(f"scene-{n}", seed, value) for n, value in enumerate(distances)]
        found = {
            "arm": "add",
            "seed": seed,
            "evaluation": {"scores": scores},
            "pairs": {"object": 1.0 + seed, "camera": 6.0, "drag": 8.0},
        }
        (tmp_path / f"add-{seed}.json").write_text(json.dumps(found))
    *_, line = study.table(tmp_path).splitlines()
    assert line.startswith("| add | 2 | 2.75 | ")
    assert line.endswith(" | 1.5 px, 6.0 px |")
