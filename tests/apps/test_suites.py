"""Suites: a paper's table with our numbers, the paper's, and what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinema.errors import InputError
from kinema_apps.suites import SUITES, suite_of

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"


def test_every_row_of_ours_has_its_recipe() -> None:
    named = {row.recipe for suite in SUITES for row in suite.rows if row.recipe}
    assert len(named) > 10
    assert {name for name in named if not (RECIPES / f"{name}.toml").is_file()} == set()


def test_unknown_suites_are_refused() -> None:
    with pytest.raises(InputError, match=r"Unknown suite 'table-9'\. Did you mean 'table-"):
        suite_of("table-9")


@pytest.mark.all_packages
def test_a_suite_is_run_and_says_what_differs(kinema: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "MC-Bench"
    item = data / "object_control" / "1"
    item.mkdir(parents=True)
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((64, 48)).save(item / "first_frame.png")
    (item / "meta_data.json").write_text('{"traj_key_points": [[[20, 20], [30, 25]]]}')
    (tmp_path / "paper.json").write_text(json.dumps({"motionpro": {"md-vid[dis]": 1.25}}))
    words = ("--suite", "table-3", "--data", str(data), "--published", "paper.json")
    model = ("--backbone", "motionpro:preview", "--frames", "4", "--out", "out")
    said = kinema("evaluate", *words, *model, "--metric", "md-vid[dis]").stdout
    (line,) = [line for line in said.splitlines() if line.startswith("| motionpro |")]
    assert "(paper: 1.25)" in line
    assert "| dragnuwa | not evaluated |" in said
    assert "md-vid[dis] stands in for MD-Vid" in said
    timing = ("--suite", "runtime", "--data", str(data), *model)
    timed = kinema("evaluate", *timing, "--subset", "object-level").stdout
    (line,) = [line for line in timed.splitlines() if line.startswith("| motionpro |")]
    assert float(line.split("|")[2]) > 0


@pytest.mark.all_packages
def test_words_that_contradict_are_refused(kinema: Callable[..., Any]) -> None:
    base = ("evaluate", "--out", "out", "--still")
    said = kinema(*base, "--suite", "table-1", "--benchmark", "videos", code=2).output
    assert "and not both" in said
    said = kinema(*base, "--benchmark", "videos", "--published", "x", code=2).output
    assert "--published belongs to a --suite" in said
    Path("x").write_text("[1]")
    said = kinema(*base, "--suite", "table-1", "--published", "x", code=2).output
    assert "must be of the form" in said
