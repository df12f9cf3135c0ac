"""A studio that runs, and a browser that looks at it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kinema_apps.service.testing import Running, running
from kinema_apps.studio import app
from kinema_apps.studio.annotation import Annotation

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Studio = Callable[..., Running]

#: (width, height) of the photo, and the box of the thing on it.
SIZE = (192, 120)
THING = (60, 40, 110, 85)


def _photo(seed: int = 0) -> Pixels:
    """Soft ground with a thing of another colour on it."""
    rng = np.random.default_rng(seed)
    ground = Image.fromarray(rng.integers(90, 140, (8, 12, 3), dtype=np.uint8))
    picture = ground.resize(SIZE, Image.Resampling.BICUBIC)
    ImageDraw.Draw(picture).ellipse(THING, fill=(200, 60, 40))
    return np.asarray(picture)


@pytest.fixture
def photo() -> Pixels:
    """(H, W, 3) of :data:`SIZE`, with a red thing at :data:`THING`."""
    return _photo()


@pytest.fixture
def photo_file(photo: Pixels, tmp_path: Path) -> Path:
    """The photo as a PNG."""
    path = tmp_path / "thing.png"
    Image.fromarray(photo).save(path)
    return path


@pytest.fixture
def png(photo: Pixels) -> bytes:
    """The content of that file."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos to annotate, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.jpg", "c.png")):
        Image.fromarray(_photo(number)).save(folder / name, quality=95)
    (folder / "notes.txt").write_text("of the photos")
    return folder


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Starts studios whose jobs are scripted unless an engine is given."""
    with ExitStack() as last:

        def start(
            engine: Any = None, annotation: Annotation | None = None, **settings: Any
        ) -> Running:
            make = partial(app, annotation=annotation)
            return last.enter_context(running(tmp_path / "jobs", engine, make, **settings))

        yield start


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages; what goes wrong on one ends the test."""
    wrong: list[str] = []
    told: list[str] = []
    with ExitStack() as last:

        def open_page(url: str, width: int = 1280, height: int = 800, **options: Any) -> Any:
            # What the tests themselves evaluate is against the page's policy.
            more = {"bypass_csp": True, **options}
            context = browser.new_context(viewport={"width": width, "height": height}, **more)
            last.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: wrong.extend([said.text] * (said.type == "error")))
            page.on("response", lambda answer: told.extend(_refusal(answer)))
            page.goto(url)
            return page

        yield open_page
    assert not wrong, told


def _refusal(answer: Any) -> list[str]:
    """What the server refused, and why."""
    if answer.status < 400:
        return []
    return [f"{answer.request.method} {answer.url}: {answer.text()[:500]}"]
