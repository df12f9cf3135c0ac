"""Where every page's blocks run: a folder with the photos of the pages."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest

import kinema.plugins
from kinema.plugins import Plugins

ROOT = Path(__file__).parents[2]
PHOTOS = ("photo.jpg", "mask.png", "coffee.jpg")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the pictures that pages ask to save and a made-up depth."""
    for name in PHOTOS:
        shutil.copy(ROOT / "docs" / "images" / name, tmp_path)
    ground = np.linspace(6.0, 2.0, 427, dtype=np.float32)
    np.save(tmp_path / "depth.npy", ground[:, None].repeat(640, axis=1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def with_ripple(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """The installed plugins and the template, as if that were installed too."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "plugin-template" / "src"))
    plugins = Plugins()
    plugins.load_entry_points()
    if not any(source.plugin == "ripple" for source in plugins.sources()):
        module = importlib.import_module("kinema_ripple.plugin")
        plugins.register(module, "ripple", "kinema-ripple", "0.1.0")
    monkeypatch.setattr(kinema.plugins, "_installed", lambda: plugins)
    return plugins
