"""``kinema motion observe`` and ``kinema motion compose``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema as k

pytestmark = pytest.mark.all_packages


@pytest.fixture
def clips(kinema: Any) -> None:
    """A square that moves right over noise, noise that moves down, and the square's mask."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    wall, square = (
        np.asarray(Image.fromarray(each).resize((96, 64), Image.Resampling.BICUBIC))
        for each in noise
    )
    moving = np.stack([wall] * 5)
    for frame, pixels in enumerate(moving):
        pixels[20:44, 30 + 2 * frame : 60 + 2 * frame] = square[20:44, 30:60]
    k.Video(moving, 8).save("object.mp4")
    k.Video(np.stack([np.roll(wall, frame, 0) for frame in range(9)]), 8).save("camera.mp4")
    mask = np.zeros((64, 96), np.uint8)
    mask[20:44, 30:60] = 255
    Image.fromarray(mask).save("mask.png")


def test_observe_draw_check_and_compose(kinema: Any, clips: None) -> None:
    words = ("--tracker", "dis", "--grid", "5", "--region", "mask.png")
    told = kinema(
        "motion", "observe", "object.mp4", *words, "--out", "o.json", "--draw", "seen.mp4"
    )
    assert told.stdout.startswith("Wrote o.json: 5 frames of 96x64, 24 tracks, visible in ")
    assert told.stdout.endswith("Wrote seen.mp4.\n")
    seen = k.Motion.load("o.json")
    assert seen.tracks is not None
    points, _ = seen.tracks.arrays()
    assert np.abs(np.median(points[-1] - points[0], axis=0) - (8, 0)).max() < 0.5
    assert kinema("motion", "check", "o.json").stdout.startswith("o.json: no errors")
    drawn, plain = (k.Video.load(name).frames.astype(int) for name in ("seen.mp4", "object.mp4"))
    assert drawn.shape == plain.shape
    changed = np.abs(drawn - plain).max(-1) > 60
    assert changed[4][20:44, 38:68].mean() > 0.1
    assert changed[4][:, 80:].mean() < 0.01
    kinema("motion", "observe", "camera.mp4", "--points", "60", "--out", "c.json")
    told = kinema("motion", "compose", "o.json", "c.json", "--along", "--out", "both.json")
    assert "c.json has 9 frames and is resampled to the 5 of o.json" in told.stderr
    both = k.Motion.load("both.json")
    assert [region.name for region in both.regions] == ["scene", "object"]
    assert Path(both.regions[1].mask).name == "mask.png"
    # It is taken by what renders, and by the condition that is for it.
    size = ("--size", "96x64", "--frames", "5")
    kinema(
        "condition", "dense-trajectory", "--motion", "both.json", *size, "--out", "d.safetensors"
    )


def test_the_camera_of_a_clip(kinema: Any, clips: None) -> None:
    told = kinema("motion", "observe", "camera.mp4", "--camera", "--out", "c.json").stdout
    assert "a camera path" in told
    path = k.Motion.load("c.json").camera
    assert path is not None
    assert len(path.world_to_camera) == 9


def test_options_of_the_tracker_and_points_that_are_given(kinema: Any, clips: None) -> None:
    words = ("--at", "40,30", "--at", "50,25", "--set", "quality=fast", "--frames", "3")
    kinema("motion", "observe", "object.mp4", *words, "--out", "o.json")
    motion = k.Motion.load("o.json")
    assert motion.tracks is not None
    assert motion.tracks.points[0] == ((40, 30), (50, 25))
    assert motion.frames == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("absent.mp4",), "'absent.mp4' does not exist"),
        (("mask.png",), "names one picture"),
        (("object.mp4", "--tracker", "dsi"), "Unknown tracker 'dsi'. Did you mean 'dis'?"),
        (("object.mp4", "--at", "96,2"), "outside the clip of 96x64"),
        (("object.mp4", "--at", "96"), "not of the form X,Y"),
        (("object.mp4", "--at", "9,2", "--grid", "4"), "one of --points, --grid and --at"),
        (("object.mp4", "--points", "0"), "From 1 to 20000 points"),
        (("object.mp4", "--region", "small.png"), "48x32 but the canvas is 96x64"),
        (("object.mp4", "--set", "speed=1"), "speed"),
        (("object.mp4", "--draw", "x.json"), "Unknown video suffix '.json'"),
        (("object.mp4", "--draw", "object.mp4"), "which it would destroy"),
    ],
)
def test_what_is_refused(kinema: Any, clips: None, words: tuple[str, ...], told: str) -> None:
    Image.new("L", (48, 32), 255).save("small.png")
    before = sorted(Path().iterdir())
    assert told in kinema("motion", "observe", *words, "--out", "x.json", code=2).stderr
    assert sorted(Path().iterdir()) == before


def test_outputs_do_not_destroy_inputs(kinema: Any, clips: None) -> None:
    kinema("motion", "observe", "object.mp4", "--out", "object.mp4", code=2)
    words = ("--grid", "5", "--region", "mask.png", "--out", "o.json")
    kinema("motion", "observe", "object.mp4", *words)
    kinema("motion", "compose", "o.json", "o.json", "--out", "o.json", code=2)
    kinema("motion", "compose", "o.json", "o.json", "--out", "mask.png", code=2)
    both = kinema("motion", "compose", "o.json", "o.json", "--out", "x.json", code=2)
    assert "outside the mask and its margin" in both.stderr
