"""The moving pictures of the docs are what today's code makes."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from kinema_apps.cli import cli

pytestmark = pytest.mark.all_packages

ROOT = Path(__file__).parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_images", ROOT / "tools" / "docs_images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _tool()
OTHERS = list(TOOL.OTHERS)

#: Grey levels by which compression changes a picture on average, and in the worst of its squares.
USUAL, WORST = 5.0, 14.0


@pytest.mark.parametrize("name", TOOL.PICTURES)
def test_a_moving_picture_is_not_stale(desk: Path, name: str) -> None:
    with Image.open(ROOT / "docs" / "images" / f"{name}.webp") as shown:
        old = np.asarray(shown.convert("RGB"), np.float32)
    arguments = TOOL.PICTURES[name]
    turns = "--playback" in arguments
    with contextlib.suppress(SystemExit):
        cli.main(["animate", *arguments, "--frames", "16" if turns else "3", "--out", "whole"])
    # A picture begins with the photo at the end of its motion, or where that turns back.
    frames = sorted((desk / "whole").glob("*.png"))
    frame = frames[len(frames) // 2 if turns else -1]
    new = Image.open(frame).resize(old.shape[1::-1], Image.Resampling.LANCZOS)
    _check(np.asarray(new, np.float32), old)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "followed")) for name in OTHERS]
)
def test_another_picture_is_not_stale(
    desk: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Image.Image] = []

    def keep(name: str, frames: NDArray[np.uint8], durations: list[int]) -> None:
        made.extend(Image.fromarray(frame) for frame in frames)

    monkeypatch.setattr(TOOL, "shrunk", keep)
    TOOL.OTHERS[name]()
    if not made:  # a command that writes the picture itself
        with Image.open(f"{name}.webp") as written:
            made = [each.convert("RGB") for each in ImageSequence.Iterator(written)]
    with Image.open(ROOT / "docs" / "images" / f"{name}.webp") as shown:
        old = [np.asarray(e.convert("RGB"), np.float32) for e in ImageSequence.Iterator(shown)]
    assert len(old) == len(made)
    for frame, other in zip(made, old, strict=True):
        new = frame.resize(other.shape[1::-1], Image.Resampling.LANCZOS)
        _check(np.asarray(new, np.float32), other)


def test_every_picture_is_made_and_looked_at() -> None:
    moving = {path.stem for path in (ROOT / "docs" / "images").glob("*.webp")}
    # Those of the studio have a test of their own; the study writes the picture of its table.
    elsewhere = {name for name in moving if name.startswith("studio")}
    elsewhere |= {"embedded", "ways-of-control"}
    assert moving == {*TOOL.PICTURES, *TOOL.OTHERS, *elsewhere}


def _check(new: NDArray[np.float32], old: NDArray[np.float32]) -> None:
    wrong = np.abs(new - old).mean(-1)
    height, width = (side // 16 * 16 for side in wrong.shape)
    squares = wrong[:height, :width].reshape(height // 16, 16, width // 16, 16).mean((1, 3))
    assert wrong.mean() < USUAL
    assert squares.max() < WORST, "Run tools/docs_images.py and look at the pictures."
