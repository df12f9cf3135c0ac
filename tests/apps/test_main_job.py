"""The main job with what is installed: no toys."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema as k
from kinema.media.video import Video
from kinema_apps.motion_options import SAMPLE

pytestmark = pytest.mark.all_packages


def test_kinema_animate_alone_makes_a_rocket_rise(kinema: Any) -> None:
    result = kinema("animate", "--out", "frames")
    assert result.stdout.startswith("Wrote frames: 16 frames of 512x320 at 8 fps.\n")
    frames = Video.load("frames").frames.astype(int)
    photo = k.read_photo(SAMPLE / "photo.jpg").pixels.astype(int)
    assert np.array_equal(frames[0], photo)
    emblem = photo[100:120, 252:264]
    assert np.abs(frames[15, 34:54, 252:264] - emblem).mean() < 4
    assert np.abs(frames[15, 100:120, 252:264] - emblem).mean() > 20
    sky = np.s_[:, 100:240]
    assert np.array_equal(frames[15][sky], photo[sky])


def test_the_sample_motion_has_no_known_mistake(kinema: Any) -> None:
    words = ("motion", "check", str(SAMPLE / "motion.json"), "--photo", str(SAMPLE / "photo.jpg"))
    assert kinema(*words).stdout.endswith("motion.json: no errors.\n")
    assert (SAMPLE / "photo.jpg").stat().st_size < 100_000
    assert "CC0" in (SAMPLE / "LICENCE.md").read_text()


def test_a_guessed_depth_is_said_and_recorded(kinema: Any, photo: Path) -> None:
    words = ("animate", str(photo), "--camera", "orbit:5", "--frames", "3", "--size", "128x64")
    assert "plane-prior" in kinema(*words).stderr
    assert "plane-prior" in Path("out.mp4.manifest.json").read_text()
    np.save("depth.npy", np.full((64, 128), 2.0, np.float32))
    assert "plane-prior" not in kinema(*words, "--depth", "depth.npy").stderr


def test_a_turned_photo_moves_where_it_is_shown(kinema: Any) -> None:
    """EXIF rotation: the drag refers to the photo as people see it."""
    pixels = np.full((128, 64, 3), 60, np.uint8)
    pixels[20:36, 20:36] = np.random.default_rng(0).integers(100, 256, (16, 16, 3), np.uint8)
    stored = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save("turned.png", exif=exif)
    mask = Image.new("L", (64, 128))
    mask.paste(255, (20, 20, 36, 36))
    mask.save("mask.png")
    kinema(
        *("animate", "turned.png", "--drag", "28,28 28,68", "--region", "mask.png"),
        *("--size", "64x128", "--frames", "3", "--out", "frames"),
    )
    last = Video.load("frames").frames[-1].astype(int)
    moved, still = last[62:74, 22:34], pixels[22:34, 22:34].astype(int)
    assert np.abs(moved - still).mean() < 6
    assert np.abs(last[22:34, 22:34] - 60).mean() < 20


@pytest.mark.parametrize("form", ["array", "tensor", "PIL"])
def test_python_takes_photos_in_memory_in_the_lines_of_the_readme(
    form: str, photo: Path, tmp_path: Path
) -> None:
    import torch

    pixels = k.read_photo(photo).pixels
    given = {
        "array": pixels,
        "tensor": torch.from_numpy(pixels.copy()).permute(2, 0, 1),
        "PIL": Image.fromarray(pixels),
    }[form]
    motion = k.Motion(canvas=(128, 64), drags=[k.Drag([(40, 30), (60, 30)])])
    video = k.animate(given, motion, frames=3)
    assert video.save(tmp_path / "out.mp4").exists()
    assert np.array_equal(video.frames, k.animate(photo, motion, frames=3).frames)
