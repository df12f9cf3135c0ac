"""``kinema animate`` with ``tiny``: forms, conditions and controllers of a real backbone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kinema.media.video import Video

pytestmark = pytest.mark.all_packages


def manifest(path: str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("size", [(640, 427), (300, 900), (33, 21), (2000, 1500)])
def test_tiny_animates_any_photo_in_its_own_form(
    kinema: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.effect_noise(size, 80).convert("RGB").save("any.png")
    drag = f"{size[0] // 2},{size[1] // 2} {size[0] // 2 + 5},{size[1] // 2}"
    words = ("animate", "any.png", "--drag", drag, "--backbone", "tiny", "--out", "x.mp4")
    result = kinema(*words, "--sample", "steps=1", "--sample", "motion_guidance=1")
    video = Video.load("x.mp4")
    assert len(video.frames) == 8
    assert all(side % 16 == 0 and side <= 128 for side in video.size)
    assert 0.5 < video.size[0] * video.size[1] / 64**2 < 1.5
    assert f"rendered at {video.size[0]}x{video.size[1]}" in result.stderr


def test_tiny_animates_the_sample_without_any_option(kinema: Any, tmp_path: Path) -> None:
    result = kinema("animate", "--backbone", "tiny", "--out", "x.mp4")
    assert "Photo of 512x320, rendered at 80x48: 4% of the height" in result.stderr
    assert Video.load("x.mp4").frames.shape == (8, 48, 80, 3)


def test_a_motion_that_nothing_reads_is_said_on_the_screen_and_recorded(
    kinema: Any, tmp_path: Path
) -> None:
    words = ("animate", "--backbone", "tiny", "--controller", "", "--sample", "steps=1")
    said = "nothing reads the motion: the backbone 'tiny' reads none by itself"
    assert said in kinema(*words, "--out", "x.mp4").stderr
    assert said in manifest("x.mp4.manifest.json")["notes"][0]


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (("--size", "90x90"), "Ask for --size 96x96."),
        (("--frames", "30"), "Ask for --frames 16."),
        (("--size", "512x320", "--frames", "30"), "Ask for --size 64x48 --frames 16."),
    ],
)
def test_a_form_that_cannot_be_made_is_refused_in_flags(
    kinema: Any, tmp_path: Path, words: tuple[str, ...], asks: str
) -> None:
    refused = kinema("animate", "--backbone", "tiny", *words, code=2)
    assert "The backbone 'tiny' cannot make" in refused.stderr
    assert asks in refused.stderr


def test_an_option_of_a_condition_leaves_the_other_conditions_alone(
    kinema: Any, tmp_path: Path
) -> None:
    words = ("animate", "--backbone", "tiny", "--sample", "steps=1", "--out", "x.mp4")
    kinema(*words, "--set", "region-trajectory.k=4")
    used = manifest("x.mp4.manifest.json")["offers"]["control condition"]
    assert [each["name"] for each in used] == ["region-trajectory", "motion-mask"]
    assert used[0]["config"]["k"] == 4
    refused = kinema(*words, "--condition", "region-trajectory", code=2)
    assert (
        "The controller 'tiny-modulation' reads 3 channels, but the signal has 2" in refused.stderr
    )
    refused = kinema(*words, "--set", "camera-trajectory.k=4", code=2)
    assert "Options of the condition 'camera-trajectory' are given, but nothing reads it" in (
        refused.stderr
    )


def test_options_of_depth_and_solver_are_checked_though_nothing_asks_for_them(
    kinema: Any, tmp_path: Path
) -> None:
    refused = kinema("animate", "--backbone", "tiny", "--set", "depth.nothing=1", code=2)
    assert "The config of the depth estimator 'plane-prior' has no option 'nothing'" in (
        refused.stderr
    )
    words = ("animate", "--backbone", "tiny", "--sample", "steps=2", "--out", "x.mp4")
    refused = kinema(*words, "--set", "solver.nothing=1", code=2)
    assert "The config of the solver 'euler' has no option 'nothing'" in refused.stderr
    kinema(*words, "--sample", "solver=unipc", "--set", "solver.order=1")
    [used] = manifest("x.mp4.manifest.json")["offers"]["solver"]
    assert (used["name"], used["config"]["order"]) == ("unipc", 1)


def test_options_of_a_controller_are_reachable(kinema: Any, tmp_path: Path) -> None:
    words = ("animate", "--backbone", "tiny", "--controller", "modulation", "--sample", "steps=1")
    kinema(*words, "--set", "controller.seed=7", "--out", "x.mp4")
    [used] = manifest("x.mp4.manifest.json")["offers"]["controller"]
    assert used["config"]["seed"] == 7
