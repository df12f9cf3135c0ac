from collections.abc import Callable
from pathlib import Path

import click.testing
import numpy as np
import pytest
from PIL import Image

from kinema.plugins import Plugins
from kinema.testing import toy_plugin
from kinema_apps.cli import cli

Kinema = Callable[..., click.testing.Result]


@pytest.fixture
def kinema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kinema:
    """The command, run in an empty folder with what is installed."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0) -> click.testing.Result:
        result = click.testing.CliRunner().invoke(cli, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


@pytest.fixture
def toy(kinema: Kinema, kinema_plugins: Plugins) -> Kinema:
    """The command where only the toy backbone, its controllers and ``toy-shift`` are installed."""
    kinema_plugins.register(toy_plugin, "toys", "kinema-toys", "1.2.3")
    return kinema


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of 128x64 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).resize((128, 64)).save(path)
    return path
