"""``kinema evaluate``: a folder of items and items made up, to a table and a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kinema as sdk
from kinema_apps.commands.evaluate import read_items

pytestmark = pytest.mark.all_packages


@pytest.fixture
def items(tmp_path: Path, photo: Path) -> Path:
    folder = tmp_path / "items"
    (folder / "object" / "7").mkdir(parents=True)
    shutil.copy(photo, folder / "one.png")
    sdk.Motion(canvas=(128, 64), drags=[[(40, 30), (60, 30)]]).save(folder / "one.json")
    shutil.copy(photo, folder / "object" / "7" / "first_frame.png")
    text = json.dumps({"traj_key_points": [[[40, 30], [50, 35]]]})
    (folder / "object" / "7" / "meta_data.json").write_text(text)
    return folder


def test_a_folder_is_measured_item_by_item(kinema: Callable[..., Any], items: Path) -> None:
    said = kinema("evaluate", str(items), "--frames", "4", "--out", "found.json").stdout
    assert "| trajectory-distance-last |" in said
    data = json.loads(Path("found.json").read_text())
    assert [score["item"] for score in data["scores"]] == ["object/7", "one"]
    # The preview moves the dragged point there; were it not to, these would be 11 and 20 pixels.
    assert all(score["values"]["trajectory-distance-last"] < 5 for score in data["scores"])


def test_an_item_that_cannot_be_read_is_named_and_the_others_go_on(
    kinema: Callable[..., Any], items: Path, photo: Path
) -> None:
    shutil.copy(photo, items / "off.png")
    document = json.loads((items / "one.json").read_text())
    document["drags"][0]["points"][0] = [500, 30]
    (items / "off.json").write_text(json.dumps(document))
    said = kinema("evaluate", str(items), "--frames", "4", "--out", "found.json", code=1)
    assert "- failed: off, seed 0: MotionError: " in said.stdout
    assert "A drag starts at (500, 30), outside the canvas of 128x64" in said.stdout
    assert "1 of 3 videos failed." in said.stderr
    data = json.loads(Path("found.json").read_text())
    assert (len(data["scores"]), data["failed"]) == (3, 1)


def test_an_item_without_a_canvas_has_that_of_its_photo(items: Path) -> None:
    shutil.rmtree(items / "object")
    track = [{"x": 40 + 2 * t, "y": 30} for t in range(4)]
    (items / "one.json").write_text(json.dumps([track]))
    [(name, _, motion)], broken = read_items(items)
    assert (name, motion.canvas, broken) == ("one", (128, 64), {})


def test_synthetic_items_are_made(kinema: Callable[..., Any]) -> None:
    words = ("--synthetic", "2", "--size", "64x48", "--frames", "4", "--out", "found.json")
    kinema("evaluate", *words)
    data = json.loads(Path("found.json").read_text())
    assert len(data["scores"]) == 2
    assert data["failed"] == 0
    assert all(score["item"].startswith("synthetic-0-") for score in data["scores"])


def test_synthetic_items_have_the_form_that_the_backbone_makes(kinema: Callable[..., Any]) -> None:
    words = ("evaluate", "--backbone", "tiny", "--synthetic", "2", "--sample", "steps=1")
    kinema(*words, "--out", "found.json")
    data = json.loads(Path("found.json").read_text())
    assert (len(data["scores"]), data["failed"]) == (2, 0)


@pytest.mark.parametrize("of", [("--synthetic", "2"), ("items",)], ids=["synthetic", "folder"])
def test_a_form_that_cannot_be_made_is_refused_once_and_in_flags(
    kinema: Callable[..., Any], items: Path, of: tuple[str, ...]
) -> None:
    words = ("evaluate", *of, "--backbone", "tiny", "--size", "100x100", "--frames", "30")
    said = kinema(*words, code=2)
    assert "cannot make 30 frames of 100x100 pixels. Ask for --size " in said.stderr
    assert said.stdout == ""


def test_what_cannot_be_evaluated_is_said(kinema: Callable[..., Any], tmp_path: Path) -> None:
    said = kinema("evaluate", code=2)
    assert "Give a FOLDER of items or --synthetic N, and not both." in said.output
    (tmp_path / "empty").mkdir()
    assert "There is no item in 'empty'" in kinema("evaluate", "empty", code=2).output
