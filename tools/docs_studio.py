"""Make the pictures and the recording of the studio that the docs show.

``python tools/docs_studio.py`` writes ``docs/images/studio*.webp``: it starts a studio, opens it in
Chromium, and does what a person does. ``--out FOLDER`` writes elsewhere.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from kinema_apps.service.local_engine import LocalEngine
from kinema_apps.service.testing import running
from kinema_apps.studio import EDITOR, app
from kinema_apps.studio.annotation import Annotation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")

#: (width, height) of the window, and of a phone's.
DESKTOP, PHONE = (1180, 720), (390, 780)

#: Width of the recording, how good its pictures are, and how large it may be.
FILM_WIDTH, FILM_QUALITY, FILM_MOST = 900, 62, 2_000_000

#: Milliseconds of one picture of the recording, and of the last.
BEAT, REST = 90, 2500

#: The outline of the spoon in ``coffee.jpg``, in its pixels.
SPOON = [
    (327, 290), (335, 315), (365, 326), (395, 312), (406, 280), (396, 250), (384, 234), (391, 200),
    (406, 150), (420, 90), (424, 72), (412, 66), (399, 74), (406, 100), (404, 140), (392, 190),
    (378, 222), (362, 242), (338, 258),
]  # fmt: skip

#: What a screenshot does not show.
POINTER = """() => {
  const dot = document.createElement("div");
  dot.id = "pointer";
  Object.assign(dot.style, {
    position: "fixed", left: "-40px", top: "-40px", width: "22px", height: "22px", zIndex: 99999,
    borderRadius: "50%", border: "2px solid white", background: "#e6007e99", pointerEvents: "none",
    boxShadow: "0 0 3px black", transform: "translate(-50%, -50%)",
  });
  document.body.append(dot);
  addEventListener("mousemove", (event) => {
    dot.style.left = `${event.clientX}px`;
    dot.style.top = `${event.clientY}px`;
  }, true);
}"""


class Person:
    """Uses the editor of a page, and may be filmed."""

    def __init__(self, page: Page, out: Path) -> None:
        self.page, self.out = page, out
        self.editor = page.locator("kinema-editor")
        self.film: list[tuple[Image.Image, int]] = []
        self.filmed = False
        self.shown: list[str] = []

    # -- pictures ---------------------------------------------------------------------------------

    def picture(self, name: str) -> None:
        """Write what the page shows, without the pointer."""
        hide = "#pointer { display: none }"
        shot = Image.open(io.BytesIO(self.page.screenshot(style=hide)))
        shot.convert("RGB").save(self.out / f"{name}.webp", quality=82, method=6)
        self.shown.append(name)

    def roll(self, count: int = 1) -> None:
        """Film what the page shows, for so many pictures."""
        for _ in range(count if self.filmed else 0):
            with Image.open(io.BytesIO(self.page.screenshot(type="jpeg", quality=95))) as shot:
                height = round(shot.height * FILM_WIDTH / shot.width)
                small = shot.convert("RGB").resize((FILM_WIDTH, height), Image.Resampling.LANCZOS)
            if self.film and self.film[-1][0].tobytes() == small.tobytes():
                self.film[-1] = (small, self.film[-1][1] + BEAT)
            else:
                self.film.append((small, BEAT))

    def cut(self, name: str) -> None:
        """Write what was filmed.

        Raises:
            SystemExit: it is too large.
        """
        path = self.out / f"{name}.webp"
        first, *rest = [picture for picture, _ in self.film]
        times = [time for _, time in self.film[:-1]] + [REST]
        first.save(
            path, save_all=True, append_images=rest, duration=times, loop=0, method=4,
            quality=FILM_QUALITY, minimize_size=True,
        )  # fmt: skip
        self.shown.append(name)
        size = path.stat().st_size
        print(f"{name}: {len(self.film)} pictures, {sum(times) / 1000:.0f} s, {size} bytes")
        if size > FILM_MOST:
            raise SystemExit(f"The recording has {size} bytes; {FILM_MOST} are the most.")

    # -- hands ------------------------------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Choose a photo, and all of it."""
        self.roll(8)
        with self.page.expect_file_chooser() as chosen:
            self.point_at(self.editor.get_by_role("button", name="Choose a photo"))
        chosen.value.set_files(path)
        use = self.editor.get_by_role("button", name="Use it")
        use.wait_for()
        self.roll(8)
        self.point_at(use)
        self.page.wait_for_function("document.querySelector('kinema-editor').state.photo !== null")
        self.roll(4)

    def point_at(self, what: Any) -> None:
        """Go there, and press."""
        what.scroll_into_view_if_needed()
        box = what.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.roll(3)
        what.click()
        self.roll(2)

    def tool(self, name: str) -> None:
        """Take a tool of the bar."""
        self.point_at(self.editor.locator(f"[data-tool={name}]"))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the photo is on the screen."""
        box = self.editor.locator(".stage canvas").bounding_box()
        assert box is not None
        left, top = self.page.evaluate(
            "(p) => document.querySelector('kinema-editor').stage.view.toScreen(p)", [x, y]
        )
        return box["x"] + left, box["y"] + top

    def pull(self, *points: tuple[float, float], steps: int = 10) -> None:
        """Draw from point to point of the photo."""
        self.page.mouse.move(*self.at(*points[0]))
        self.roll(2)
        self.page.mouse.down()
        for (x, y), (right, down) in itertools.pairwise(points):
            for step in range(1, steps + 1):
                part = step / steps
                self.page.mouse.move(*self.at(x + part * (right - x), y + part * (down - y)))
                self.roll()
        self.page.mouse.up()

    def set(self, name: str, value: float) -> None:
        """Pull a slider of the panel."""
        slider = self.editor.get_by_role("slider", name=name, exact=True)
        slider.scroll_into_view_if_needed()
        first = float(slider.input_value())
        for step in range(1, 7):
            self.editor.get_by_role("slider", name=name, exact=True).fill(
                f"{first + (value - first) * step / 6:.2f}"
            )
            self.roll()

    def after_preview(self, run: Any) -> None:
        """Do something, and wait until the preview shows it."""
        self.page.evaluate(
            "() => { window.seen = false; document.querySelector('kinema-editor')"
            ".addEventListener('kinema-preview', (e) => { window.seen ||= !e.detail.rough; }); }"
        )
        run()
        self.page.wait_for_function("window.seen")

    def show_time(self, part: float) -> None:
        """Stop the preview at a part of the clip."""
        self.page.evaluate(
            """(part) => {
                const { state, timeline } = document.querySelector("kinema-editor");
                if (state.playing) timeline.stop();
                state.seek(part);
            }""",
            part,
        )
        self.page.wait_for_timeout(100)

    def view(self, name: str) -> None:
        """Go to a part of the page."""
        self.point_at(self.page.get_by_role("navigation").get_by_role("button", name=name))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of this machine, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, CHROMIUM)), None)
        quiet = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, url: str, out: Path, size: tuple[int, int], **more: Any
) -> Iterator[Person]:
    """A page, and someone before it."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, bypass_csp=True, **more
    )
    page = context.new_page()
    page.goto(url)
    page.evaluate(POINTER)
    yield Person(page, out)
    context.close()


# -- what is shown --------------------------------------------------------------------------------


def rocket(person: Person) -> None:
    """Brush over the rocket, and send it up."""
    person.open(IMAGES / "photo.jpg")
    person.tool("brush")
    person.set("Size", 26)
    person.pull((322, 136), (322, 396), steps=14)
    person.roll(4)
    person.picture("studio-brush")
    person.tool("drag")
    person.after_preview(lambda: person.pull((322, 260), (322, 150), steps=12))
    person.roll(30)


def tour(person: Person) -> None:
    """From a photo to a video, filmed."""
    person.page.wait_for_function("window.kinema !== undefined")
    person.filmed = True
    rocket(person)
    easing = person.editor.get_by_label("Easing").first
    person.after_preview(lambda: easing.select_option("gentle"))
    person.roll(14)
    person.filmed = False  # which took its time from the preview before
    for chosen in ("linear", "gentle"):
        person.after_preview(partial(easing.select_option, chosen))
    person.show_time(0.8)
    person.picture("studio")
    person.filmed = True

    person.point_at(person.editor.locator("summary", has_text="Camera"))
    person.after_preview(lambda: person.set("Dolly", 0.15))
    person.roll(24)
    person.filmed = False
    person.show_time(0.5)
    person.picture("studio-camera")
    person.filmed = True

    person.view("Render")
    person.roll(6)
    person.picture("studio-render")
    render = person.page.locator(".render")
    person.point_at(render.get_by_role("button", name="Render", exact=True))
    cards = person.page.locator(".card")
    for _ in range(600):
        person.roll()
        if cards.first.locator("video").count():
            break
        person.page.wait_for_timeout(100)
    person.roll(26)
    person.cut("studio-tour")


def gallery(person: Person) -> None:
    """Two videos side by side, one of them made again with another motion."""
    cards = person.page.locator(".card")
    cards.first.get_by_role("button", name="Rerun").click()
    person.page.wait_for_function("document.querySelectorAll('.card video').length === 2")
    person.page.wait_for_timeout(800)
    person.picture("studio-gallery")


def timeline(person: Person) -> None:
    """A drag there and back that begins late, and a pin at the foot."""
    person.open(IMAGES / "photo.jpg")
    person.tool("brush")
    person.set("Size", 26)
    person.pull((322, 136), (322, 396))
    person.tool("anchor")
    person.page.mouse.click(*person.at(322, 396))
    person.tool("drag")
    person.pull((322, 150), (345, 152), (372, 162))
    person.editor.get_by_role("button", name="There and back").click()
    start = person.editor.get_by_label("Starts at")
    start.fill("0.2")
    person.after_preview(lambda: start.press("Enter"))
    person.show_time(0.6)
    person.picture("studio-timeline")


def annotate(person: Person) -> None:
    """The first of a folder's photos."""
    person.page.wait_for_function("window.kinema?.editor.state.photo?.name === 'coffee.jpg'")
    person.tool("lasso")
    person.pull(*SPOON, SPOON[0], steps=4)
    person.tool("drag")
    person.after_preview(lambda: person.pull((366, 285), (400, 300), (440, 296)))
    person.show_time(0.0)
    person.picture("studio-annotate")


def phone(person: Person) -> None:
    """The same page on a phone, in the dark."""
    person.page.wait_for_function("window.kinema !== undefined")
    person.open(IMAGES / "photo.jpg")
    person.pull((322, 136), (322, 396))
    person.tool("drag")
    person.after_preview(lambda: person.pull((322, 260), (322, 150)))
    person.show_time(0.5)
    person.picture("studio-phone")


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


def embedded(browser: Browser, scratch: Path, out: Path) -> Person:
    """The editor in the example's page, which no server of ours serves."""
    site = scratch / "site"
    shutil.copytree(ROOT / "examples" / "editor", site)
    shutil.copytree(EDITOR, site / "kinema-editor")
    shutil.copy(IMAGES / "photo.jpg", site)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/index.html"
    with opened(browser, url, out, (1000, 860)) as person:
        person.page.wait_for_function("document.querySelector('kinema-editor').state?.photo")
        person.tool("brush")
        person.set("Size", 26)
        person.pull((322, 136), (322, 396))
        person.tool("drag")
        person.pull((322, 260), (322, 150))
        person.page.wait_for_function(
            "document.querySelector('output').textContent.startsWith('Drags: 1')"
        )
        person.picture("embedded")
    server.shutdown()
    server.server_close()
    return person


def make(browser: Browser, out: Path) -> list[str]:
    """Make all pictures; their names."""
    shown: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kinema-docs-") as name:
        scratch = Path(name)
        with running(scratch / "jobs", LocalEngine(), app) as up:
            studio = f"{up.url}/studio/"
            with opened(browser, studio, out, DESKTOP) as person:
                tour(person)
                gallery(person)
                shown += person.shown
            with opened(browser, studio, out, DESKTOP) as person:
                timeline(person)
                shown += person.shown
            dark: dict[str, Any] = {"color_scheme": "dark", "device_scale_factor": 1.5}
            with opened(browser, studio, out, PHONE, has_touch=True, **dark) as person:
                phone(person)
                shown += person.shown
        photos = scratch / "photos"
        photos.mkdir()
        for photo in ("coffee.jpg", "photo.jpg"):
            shutil.copy(IMAGES / photo, photos)
        noted = partial(app, annotation=Annotation(photos, scratch / "items"))
        with (
            running(scratch / "more", LocalEngine(), noted) as up,
            opened(browser, f"{up.url}/studio/", out, DESKTOP) as person,
        ):
            annotate(person)
            shown += person.shown
        shown += embedded(browser, scratch, out).shown
    return shown


def main(arguments: list[str]) -> None:
    """Read the command line, and make them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES)
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name in make(browser, out):
            print(out / f"{name}.webp")


if __name__ == "__main__":
    main(sys.argv[1:])
