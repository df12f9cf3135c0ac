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

from kinema.media.video import Video
from kinema.motion.motion import Motion
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


RED_COLUMNS = """() => window.kinema.editor.state.frames.map((frame) => {
  const { width, height } = frame;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(frame, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const isRed = (k) => data[4 * k] > 160 && data[4 * k + 1] < 110;
  const red = [...Array(width * height).keys()].filter(isRed);
  return red.reduce((sum, k) => sum + (k % width), 0) / red.length;
})"""


#: The element is there, and on the studio's own page all that is beside it too.
READY = """() => document.querySelector('kinema-editor')?.state
  && (location.pathname !== '/studio/' || window.kinema)"""


#: A preview has come since, and it is the sharp one of the last change.
PREVIEWED = """() => window.seen
  && window.kinema.live.shownAt === window.kinema.editor.changedAt"""


class Hand:
    """Does what a person does on the page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.editor = page.locator("kinema-editor")

    def open(self, path: Path) -> None:
        with self.page.expect_file_chooser() as chosen:
            self.editor.get_by_role("button", name="Choose a photo").click()
        chosen.value.set_files(path)
        self.editor.get_by_role("button", name="Use it").click()
        self.page.wait_for_function("document.querySelector('kinema-editor').state.photo !== null")

    def tool(self, name: str) -> None:
        self.editor.locator(f"[data-tool={name}]").click()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the canvas is on the screen."""
        box = self.editor.locator(".stage canvas").bounding_box()
        left, top = self.page.evaluate(
            "(p) => document.querySelector('kinema-editor').stage.view.toScreen(p)", [x, y]
        )
        return box["x"] + left, box["y"] + top

    def pull(self, *points: tuple[float, float], steps: int = 6) -> None:
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=steps)
        self.page.mouse.up()

    def brush(self) -> None:
        """Over the thing."""
        self.tool("brush")
        self.page.evaluate("document.querySelector('kinema-editor').state.set({size: 30})")
        self.pull((70, 62), (100, 62))
        self.pull((85, 50), (85, 74))

    def motion(self) -> Motion:
        document = self.page.evaluate("document.querySelector('kinema-editor').getMotion()")
        return Motion.from_dict(document)

    def frames(self) -> np.ndarray[Any, Any]:
        """Mean column of what is red, in each frame of the preview."""
        return np.array(self.page.evaluate(RED_COLUMNS))

    def wait_for_preview(self, run: Callable[[], object]) -> None:
        self.page.evaluate(
            "() => { window.seen = null; document.querySelector('kinema-editor')"
            ".addEventListener('kinema-preview', (e) => { window.seen = e.detail; }); }"
        )
        run()
        self.page.wait_for_function(PREVIEWED, timeout=120_000)


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
def clip(photo: Pixels, tmp_path: Path) -> Path:
    """Nine frames in which the thing goes 16 pixels to the right, and the ground rests."""
    rng = np.random.default_rng(3)
    ground = np.asarray(
        Image.fromarray(rng.integers(40, 200, (30, 48, 3), dtype=np.uint8)).resize(
            SIZE, Image.Resampling.BICUBIC
        )
    )
    thing = Image.fromarray(rng.integers(60, 255, (12, 14, 3), dtype=np.uint8)).resize((50, 44))
    frames = []
    for step in range(9):
        frame = Image.fromarray(ground)
        frame.paste(thing, (THING[0] + 2 * step, THING[1]))
        frames.append(np.asarray(frame))
    path = tmp_path / "clip.mp4"
    Video(frames=np.stack(frames), fps=8.0).save(path)
    return path


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
def refused() -> list[str]:
    """What servers refused; a test that means them to takes it and clears it."""
    return []


@pytest.fixture
def look(browser: Any, refused: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens pages; what goes wrong on one ends the test."""
    wrong: list[str] = []
    with ExitStack() as last:

        def open_page(url: str, width: int = 1280, height: int = 800, **options: Any) -> Any:
            # What the tests themselves evaluate is against the page's policy.
            more = {"bypass_csp": True, **options}
            context = browser.new_context(viewport={"width": width, "height": height}, **more)
            last.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(120_000)  # other tests may run beside
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: wrong.extend(_complaint(said)))
            page.on("response", lambda answer: refused.extend(_refusal(answer)))
            page.goto(url)
            return page

        yield open_page
    assert not wrong
    assert not refused


def _complaint(said: Any) -> list[str]:
    """An error on the console, unless it is a refusal, of which more is known."""
    told = said.type == "error" and "the server responded with" not in said.text
    return [said.text] if told else []


def _refusal(answer: Any) -> list[str]:
    refusal = f"{answer.status} {answer.request.method} {answer.url}"
    return [refusal] if answer.status >= 400 else []


@pytest.fixture
def person(look: Callable[..., Any]) -> Callable[..., Hand]:
    """Somebody who opens an address and waits until the page can be used."""

    def come(url: str, *given: Any, **options: Any) -> Hand:
        hand = Hand(look(url, *given, **options))
        hand.page.wait_for_function(READY)
        return hand

    return come


@pytest.fixture
def hand(studio: Studio, person: Callable[..., Hand], photo_file: Path) -> Hand:
    """A person before a fresh studio with the photo open."""
    hand = person(f"{studio().url}/studio/")
    hand.open(photo_file)
    return hand
