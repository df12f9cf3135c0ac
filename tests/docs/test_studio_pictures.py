"""The pictures of "A tour of the studio" can be made, and the pages show those that are made."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.all_packages]

ROOT = Path(__file__).parents[2]
SHOWN = ("docs/tutorials/studio.md", "docs/how-to/embed-the-editor.md")


def test_a_person_gets_from_a_photo_to_a_video(browser: Any, tmp_path: Path) -> None:
    make = runpy.run_path(str(ROOT / "tools" / "docs_studio.py"))["make"]
    made = set(make(browser, tmp_path))
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in SHOWN)
    assert made == set(re.findall(r"images/([\w-]+)\.webp", pages))
    for name in made:
        with (
            Image.open(tmp_path / f"{name}.webp") as new,
            Image.open(ROOT / "docs" / "images" / f"{name}.webp") as kept,
        ):
            assert new.size == kept.size, "Run tools/docs_studio.py and look at the pictures."
    with Image.open(tmp_path / "studio-tour.webp") as film:
        assert getattr(film, "n_frames", 1) > 50
