"""The moving pictures of the docs are what today's code makes."""

from __future__ import annotations

import contextlib
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinema_apps.cli import cli

pytestmark = pytest.mark.all_packages

ROOT = Path(__file__).parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "docs_images.py"))

#: Grey levels by which compression changes a picture on average, and in the worst of its squares.
USUAL, WORST = 5.0, 14.0


@pytest.mark.parametrize("name", TOOL["PICTURES"])
def test_a_moving_picture_is_not_stale(desk: Path, name: str) -> None:
    with Image.open(ROOT / "docs" / "images" / f"{name}.webp") as shown:
        old = np.asarray(shown.convert("RGB"), np.float32)
    arguments = TOOL["PICTURES"][name]
    turns = "--playback" in arguments
    with contextlib.suppress(SystemExit):
        cli.main(["animate", *arguments, "--frames", "16" if turns else "3", "--out", "whole"])
    # A picture begins with the photo at the end of its motion, or where that turns back.
    frames = sorted((desk / "whole").glob("*.png"))
    frame = frames[len(frames) // 2 if turns else -1]
    new = Image.open(frame).resize(old.shape[1::-1], Image.Resampling.LANCZOS)
    wrong = np.abs(np.asarray(new, np.float32) - old).mean(-1)
    height, width = (side // 16 * 16 for side in wrong.shape)
    squares = wrong[:height, :width].reshape(height // 16, 16, width // 16, 16).mean((1, 3))
    assert wrong.mean() < USUAL
    assert squares.max() < WORST, "Run tools/docs_images.py and look at the pictures."
