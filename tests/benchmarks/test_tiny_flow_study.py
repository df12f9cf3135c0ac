"""The study of tiny-flow: its arms render, and its table says what was found with all seeds."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kinema.plugins import Plugins

FOLDER = Path(__file__).parents[2] / "benchmarks"
PAGE = FOLDER.parent / "docs" / "explanation" / "what-is-learned.md"

pytestmark = pytest.mark.all_packages


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return runpy.run_path(str(FOLDER / "tiny_flow_study.py"))


def test_arms_name_what_exists(study: dict[str, Any]) -> None:
    plugins = Plugins.installed()
    for arm in study["ARMS"].values():
        one = isinstance(arm.controller, str)
        for name in filter(None, [arm.controller] if one else arm.controller):
            plugins.build("controller", name, arm.options if one else arm.options.get(name, {}))
        for name, options in arm.conditions.items():
            plugins.build("condition", name, options)


@pytest.mark.slow
def test_two_ways_are_run_scored_and_listed_once(
    study: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--items", "2", "--out", str(tmp_path), "--arms", "no control", "latent-copy"]
    study["main"]([*words, "--seeds", "0"])
    first = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    study["main"]([*words, "--seeds", "0", "1"])
    assert {path: path.stat().st_mtime_ns for path in first} == first
    *_, none, copy, still = capsys.readouterr().out.strip().splitlines()
    assert none.startswith("| no control | 2 | ")
    assert copy.startswith("| latent-copy | 2 | ")
    shown = [float(line.split("|")[3]) for line in (none, copy, still)]
    for distance, name in zip(shown, ("no-control", "latent-copy"), strict=False):
        found = [json.loads((tmp_path / f"{name}-{seed}.json").read_text()) for seed in (0, 1)]
        scores = [score for one in found for score in one["evaluation"]["scores"]]
        assert [score["item"].startswith("scene-") for score in scores] == [True] * 4
        mean = sum(score["values"]["trajectory-distance"] for score in scores) / 4
        assert distance == pytest.approx(mean, abs=0.006)
    assert shown[2] > 0


@pytest.mark.slow
def test_the_picture_has_a_row_for_the_drags_and_one_for_each_arm(
    study: dict[str, Any], tmp_path: Path
) -> None:
    drawn = tmp_path / "ways.webp"
    study["main"](["--items", "1", "--picture", str(drawn)])
    rows = len(study["ARMS"]) + 1
    with Image.open(drawn) as picture:
        assert picture.size == (128, rows * 128 + (rows - 1) * 4)


def test_the_page_lists_every_arm(study: dict[str, Any]) -> None:
    text = PAGE.read_text(encoding="utf-8").split("## On a transformer")[1].split("\n## ")[0]
    for name in study["ARMS"]:
        assert f"| {name} |" in text.replace("`", ""), name
