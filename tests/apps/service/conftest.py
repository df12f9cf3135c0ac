"""A service over HTTP whose worker is scripted, so that nothing waits for models."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema
from kinema.plugins import Plugins
from kinema.testing import toy_plugin
from kinema_apps.service.testing import Running, ScriptedEngine, running

Serve = Callable[..., Running]


@pytest.fixture
def serve(tmp_path: Path, kinema_plugins: Plugins) -> Iterator[Serve]:
    """Starts services in one folder; one ends where the next begins."""
    kinema_plugins.register(toy_plugin, "toys", "kinema-toys", "1.2.3")
    with ExitStack() as last:

        def start(engine: ScriptedEngine | None = None, **settings: Any) -> Running:
            last.close()
            return last.enter_context(running(tmp_path / "jobs", engine, **settings))

        yield start


@pytest.fixture
def served(serve: Serve) -> Running:
    """A service whose jobs succeed at once."""
    return serve()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Makes the file of a photo."""

    def make(width: int = 32, height: int = 16, form: str = "PNG") -> bytes:
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, form)
        return buffer.getvalue()

    return make


@pytest.fixture
def photo(picture: Callable[..., bytes]) -> bytes:
    """A photo of 32x16 pixels."""
    return picture()


@pytest.fixture
def motion() -> kinema.Motion:
    """Something to do."""
    return kinema.Motion(canvas=(32, 16), drags=[kinema.Drag([(8, 8), (16, 8)])])
