import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.media.video import Video


@pytest.fixture
def made(toy: Any, photo: Path) -> Any:
    toy(
        *("animate", str(photo), "--drag", "10,10 30,20", "--backbone", "toy", "--seed", "5"),
        *("--sample", "steps=2", "--frames", "3", "--controller", "toy-latent", "--out", "shot"),
    )
    return toy


def test_a_rerun_gives_equal_frames(made: Any) -> None:
    result = made("rerun", "shot.manifest.json", "--out", "again")
    assert result.stdout == (
        "Wrote again: 3 frames of 512x256 at 8 fps.\n"
        "Wrote again.manifest.json: how it was made.\n"
        "The frames are equal to the recorded ones.\n"
    )
    assert np.array_equal(Video.load("shot").frames, Video.load("again").frames)


def test_the_default_name_and_overlay(made: Any) -> None:
    assert "Wrote shot.frames.rerun.mp4" in made("rerun", "shot.manifest.json", "--overlay").stdout
    assert Path("shot.frames.rerun.mp4.manifest.json").exists()


def test_another_result_is_listed_and_code_1(made: Any) -> None:
    record = json.loads(Path("shot.manifest.json").read_text())
    record["frames_sha256"] = "0" * 64
    record["environment"]["torch"] = "1.0"
    Path("shot.manifest.json").write_text(json.dumps(record))
    result = made("rerun", "shot.manifest.json", code=1)
    assert "  the frames differ\n  torch: 1.0 then, " in result.stderr
    assert Path("shot.frames.rerun.mp4").exists()


def test_a_moved_photo_is_asked_for_and_another_one_refused(made: Any, photo: Path) -> None:
    moved = photo.rename("moved.png")
    error = made("rerun", "shot.manifest.json", code=2).stderr
    assert "is not there; pass the photo along" in error
    made("rerun", "shot.manifest.json", "--photo", str(moved))
    from PIL import Image

    Image.new("RGB", (128, 64)).save("other.png")
    error = made("rerun", "shot.manifest.json", "--photo", "other.png", code=2).stderr
    assert "Error: The photo other.png is not the one of the manifest: its sha256 is" in error


def test_what_is_no_manifest_is_named(made: Any) -> None:
    error = made("rerun", "absent.manifest.json", code=2).stderr
    assert error.startswith("Error: The manifest 'absent.manifest.json' cannot be read: ")
    Path("a.json").write_text("{}")
    assert "'a.json' is not a manifest of the form" in made("rerun", "a.json", code=2).stderr


@pytest.mark.all_packages
def test_no_two_outputs_share_a_rerun(kinema: Any, photo: Path) -> None:
    words = ("animate", str(photo), "--drag", "40,30 60,30", "--frames", "2", "--size", "64x32")
    for name in ("same.webp", "same.gif"):
        kinema(*words, "--out", name)
        kinema("rerun", f"{name}.manifest.json")
    assert Path("same.rerun.webp").exists()
    assert Path("same.rerun.gif").exists()
