"""The example of "Embed the editor": a page that knows no server of ours, in a real browser."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import kinema
from kinema_apps.service.local_engine import LocalEngine
from kinema_apps.service.testing import running
from kinema_apps.studio import EDITOR

pytestmark = [pytest.mark.slow, pytest.mark.all_packages]

EXAMPLE = Path(__file__).parents[2] / "examples" / "editor"


#: All that a page has to allow the element.
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...

    def end_headers(self) -> None:
        if self.path == "/strict.html":
            self.send_header("content-security-policy", POLICY)
        super().end_headers()


@pytest.fixture
def site(desk: Path) -> Iterator[str]:
    """Files alone, served by what knows nothing of kinema."""
    shutil.copytree(EXAMPLE, desk / "site")
    shutil.copytree(EDITOR, desk / "site" / "kinema-editor")
    shutil.copy(desk / "photo.jpg", desk / "site")
    handler = partial(Quiet, directory=desk / "site")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(browser: Any, site: str) -> Iterator[Any]:
    """The example, open; what goes wrong on it ends the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{site}/index.html")
    page.wait_for_function("document.querySelector('kinema-editor').state?.photo")
    yield page
    context.close()
    assert faults == []


def draw(page: Any, *points: tuple[float, float]) -> None:
    page.locator("kinema-editor [data-tool=drag]").click()
    box = page.locator("kinema-editor .stage canvas").bounding_box()
    places = page.evaluate(
        """(points) => {
            const { view } = document.querySelector("kinema-editor").stage;
            return points.map((point) => view.toScreen(point));
        }""",
        points,
    )
    first, *rest = [(box["x"] + x, box["y"] + y) for x, y in places]
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def test_a_foreign_page_gets_a_motion_and_gives_it_back(page: Any, site: str, desk: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_function("document.querySelector('kinema-editor').state?.photo")
    draw(page, (322, 260), (322, 150))
    page.wait_for_function("document.querySelector('output').textContent.startsWith('Drags: 1')")
    shown = json.loads(page.locator("pre").inner_text())
    assert shown["canvas"] == [640, 427]
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("kinema-editor").get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('output').textContent.startsWith('Drags: 0')")
    page.get_by_role("button", name="Load what was saved").click()
    page.wait_for_function("document.querySelector('output').textContent.startsWith('Drags: 1')")
    assert json.loads(page.locator("pre").inner_text()) == shown
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((site, "blob:"))] == []

    (desk / "motion.json").write_text(json.dumps(shown))
    # fmt: off
    # --8<-- [start:python]
    motion = kinema.Motion.load("motion.json")  # or Motion.from_dict(...) of what was posted
    video = kinema.animate("photo.jpg", motion, backbone="preview", seed=0)
    video.save("out.mp4")
    # --8<-- [end:python]
    # fmt: on
    assert motion.drags[0].points[0] == pytest.approx((322, 260), abs=1.5)
    assert (desk / "out.mp4").stat().st_size > 1000


def test_the_strictest_policy_is_enough(browser: Any, site: str, desk: Path) -> None:
    (desk / "site" / "strict.html").write_text(
        "<!doctype html><kinema-editor src=photo.jpg></kinema-editor>"
        "<script type=module src=kinema-editor/kinema-editor.js></script>"
    )
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda said: faults.extend([said.text] * (said.type == "error")))
    page.goto(f"{site}/strict.html")
    drags = page.locator("kinema-editor").get_by_role("button", name="Choose drag 1").first
    page.locator("kinema-editor [data-tool=drag]").click()
    box = page.locator("kinema-editor .stage canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    drags.wait_for()
    context.close()
    assert [fault for fault in faults if "favicon" not in fault] == []


def test_a_foreign_page_has_a_video_made(page: Any, site: str, desk: Path) -> None:
    draw(page, (322, 260), (322, 150))
    page.wait_for_function("document.querySelector('output').textContent.startsWith('Drags: 1')")
    with running(desk / "jobs", LocalEngine(), origins=(site,)) as up:
        size, kind = page.evaluate(
            """async (service) => {
                const { render } = await import("./render.js");
                const video = await render(document.querySelector("kinema-editor"), service);
                return [video.size, video.type];
            }""",
            up.url,
        )
    assert size > 1000
    assert kind == "video/mp4"
