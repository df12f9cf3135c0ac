"""``kinema evaluate``: models on a benchmark, to tables and files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kinema as sdk
from kinema.errors import InputError
from kinema.evaluation import BackboneModel, Results, VideosModel
from kinema_apps.benchmarks.configs import FolderConfig
from kinema_apps.benchmarks.folder import FolderBenchmark
from kinema_apps.commands.evaluate import backbone_model, models, named_options

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
    words = ("--benchmark", "folder", "--data", str(items), "--frames", "4", "--out", "found")
    metrics = ("--metric", "trajectory-distance")
    said = kinema("evaluate", *words, *metrics, "--backbone", "preview", "--still").stdout
    assert "| trajectory-distance-last (px) ↓ |" in said
    found = Results.load("found")
    assert {row.item for row in found.scores} == {"object/7", "one"}
    # The preview moves the dragged point there; the photo held still is 11 and 20 pixels off.
    for row in found.rows("trajectory-distance-last", "preview"):
        assert row.value is not None
        assert row.value < 5
    assert {round(row.value or 0) for row in found.rows("trajectory-distance-last", "still")} == {
        11,
        20,
    }
    motion = sdk.Motion.load("found/items/object/object%2F7/motion.json")
    assert len(motion.drags) == 1


def test_an_item_without_a_canvas_has_that_of_its_photo(items: Path) -> None:
    track = [{"x": 40 + 2 * t, "y": 30} for t in range(4)]
    (items / "one.json").write_text(json.dumps([track]))
    benchmark = FolderBenchmark(FolderConfig(folder=str(items)))
    assert benchmark.read(benchmark.items()[-1]).motion.canvas == (128, 64)


def test_synthetic_items_are_made(kinema: Callable[..., Any]) -> None:
    words = ("--benchmark", "synthetic", "--set", "count=1", "--metric", "psnr", "--still")
    kinema("evaluate", *words, "--out", "found")
    found = Results.load("found")
    assert list(found.subsets.values()) == [1] * 6
    assert [row.status for row in found.scores] == ["ok"] * 6


def test_failures_are_listed_and_give_the_exit_code_1(
    kinema: Callable[..., Any], items: Path
) -> None:
    (items / "one.json").write_text("{}")
    words = ("--benchmark", "folder", "--data", str(items), "--still", "--out", "found")
    said = kinema("evaluate", *words, "--metric", "trajectory-distance", code=1)
    assert "- failed: item, all/one: " in said.stdout
    assert "1 failures are listed" in said.stderr
    assert Results.load("found").faults[0].item == "one"


def test_what_cannot_be_evaluated_is_said(kinema: Callable[..., Any], tmp_path: Path) -> None:
    assert (
        "Name a --benchmark or a --suite, and a folder --out." in kinema("evaluate", code=2).output
    )
    base = ("evaluate", "--benchmark", "folder", "--out", "out")
    assert "Name what is evaluated" in kinema(*base, code=2).output
    assert "needs a folder of photos and motions" in kinema(*base, "--still", code=2).output
    (tmp_path / "empty").mkdir()
    said = kinema(*base, "--still", "--data", "empty", code=2).output
    assert "There is no item in" in said
    said = kinema("evaluate", "--benchmark", "mc-bench", "--still", "--out", "out", code=2).output
    assert "Fetch MC-Bench.tar" in said
    assert "HiDream-ai/MotionPro" in said


def test_models_are_named_with_their_options() -> None:
    words = "unsteered:tiny,controller=,sample.steps=2,seed=3,region-trajectory.k=6,depth.near=2"
    model = backbone_model(words)
    assert isinstance(model, BackboneModel)
    assert (model.name, model.backbone) == ("unsteered", "tiny")
    assert model.session == {
        "controller": "",
        "sample": {"steps": "2"},
        "options": {"seed": "3"},
        "condition_options": {"region-trajectory": {"k": "6"}},
        "depth_options": {"near": "2"},
    }
    with pytest.raises(InputError, match="Unknown backbone 'tyni'"):
        backbone_model("tyni")
    with pytest.raises(InputError, match="'steps' is not of the form key=value"):
        backbone_model("tiny,steps")
    found = models([], ["theirs:out/a", "plain/folder"], still=True)
    names = [model.name for model in found]
    assert names == ["still", "theirs", "folder"]
    assert isinstance(found[1], VideosModel)
    assert found[1].folder == "out/a"


def test_options_follow_a_name_and_values_of_several_have_commas() -> None:
    assert named_options("md-vid[dis]") == ("md-vid[dis]", {})
    assert named_options("md-vid[dis],frames=1,7,15,side=128") == (
        "md-vid[dis]",
        {"frames": "1,7,15", "side": "128"},
    )
    with pytest.raises(InputError, match="oops"):
        named_options("psnr,oops")
