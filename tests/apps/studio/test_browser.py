"""The studio as a person uses it, in a browser."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from kinema.media.manifest import Manifest
from kinema.media.video import manifest_path
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema_apps.cli import cli
from kinema_apps.service.testing import Running
from kinema_apps.studio.annotation import Annotation

pytestmark = [pytest.mark.slow, pytest.mark.all_packages]

Studio = Callable[..., Running]

#: (width, height) of the photo, and the middle of the red thing on it.
SIZE, MIDDLE = (192, 120), (85, 62)


RED_COLUMNS = """() => window.kinema.editor.state.frames.map((frame) => {
  const { width, height } = frame;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(frame, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const isRed = (k) => data[4 * k] > 160 && data[4 * k + 1] < 110;
  const red = [...Array(width * height).keys()].filter(isRed);
  return red.reduce((sum, k) => sum + (k % width), 0) / red.length;
})"""

HANDLES = """() => {
  const { stage } = window.kinema.editor;
  const { turn, pivot } = stage.tool.handles();
  return [stage.view.toCanvas(turn), stage.view.toCanvas(pivot)];
}"""

MANY_POINTS = """async () => {
  const { editor } = window.kinema;
  editor.state.use('brush');
  editor.state.set({ size: 24 });
  const tool = editor.stage.tool;
  const flags = { screen: [0, 0], shift: false, alt: false, touch: false };
  const place = (k) => [40 + 30 * Math.cos(k / 50) + k / 120, 60 + 30 * Math.sin(k / 50)];
  const touch = (k) => ({ point: place(k), at: k, ...flags });
  tool.down(touch(0));
  let visited = 0;
  const stroke = tool.begun.mask.stroke.bind(tool.begun.mask);
  tool.begun.mask.stroke = (points, ...rest) => {
    const box = stroke(points, ...rest);
    visited = Math.max(visited, (box.right - box.left) * (box.bottom - box.top));
    return box;
  };
  for (let k = 1; k <= 10000; k += 40) {
    tool.move(Array.from({ length: 40 }, (_, i) => touch(k + i)));
    await new Promise(requestAnimationFrame);
  }
  tool.up();
  return { visited, regions: editor.state.motion.regions.length };
}"""


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
        self.page.wait_for_function("window.seen !== null", timeout=60_000)


@pytest.fixture
def hand(studio: Studio, look: Callable[..., Any], photo_file: Path) -> Hand:
    """A person before a fresh studio with the photo open."""
    hand = Hand(look(f"{studio().url}/studio/"))
    hand.page.wait_for_function("window.kinema !== undefined")
    hand.open(photo_file)
    return hand


def brush(hand: Hand) -> None:
    hand.tool("brush")
    hand.page.evaluate("document.querySelector('kinema-editor').state.set({size: 30})")
    hand.pull((70, 62), (100, 62))
    hand.pull((85, 50), (85, 74))


def test_from_a_photo_to_a_preview_that_moves(hand: Hand) -> None:
    brush(hand)
    hand.tool("drag")
    hand.wait_for_preview(lambda: hand.pull(MIDDLE, (115, 60)))
    motion = hand.motion()
    assert motion.canvas == SIZE
    assert motion.drags[0].region == "region 1"
    assert motion.regions[0].rasterize(SIZE)[62, 85]
    columns = hand.frames()
    assert len(columns) == 16
    assert columns[-1] - columns[0] == pytest.approx(30, abs=5)
    assert (np.diff(columns) > -0.5).all()


def test_drags_pins_times_and_turns(hand: Hand) -> None:
    brush(hand)
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 50), (130, 70))
    hand.tool("anchor")
    hand.page.mouse.click(*hand.at(20, 100))
    motion = hand.motion()
    assert [drag.is_anchor for drag in motion.drags] == [False, True]
    # One is timed on the timeline, with the keyboard.
    knot = hand.editor.get_by_role("slider", name="Time of point 1 of drag 1")
    for _ in range(5):
        knot.press("ArrowRight")
        knot = hand.editor.get_by_role("slider", name="Time of point 1 of drag 1")
    times = hand.motion().drags[0].times
    assert times is not None
    assert times[0] == pytest.approx(0.1)
    # A point is inserted on the line, moved, and removed again.
    hand.tool("drag")
    before = len(hand.motion().drags[0].points)
    middle = hand.motion().drags[0].at([0.55])[0]
    hand.page.mouse.click(*hand.at(*middle))
    assert len(hand.motion().drags[0].points) == before + 1
    hand.editor.locator(".stage canvas").press("Delete")
    assert len(hand.motion().drags[0].points) == before
    # The region is turned by its handle; the drag that moved it becomes part of that.
    hand.tool("transform")
    hand.page.mouse.click(*hand.at(*MIDDLE))
    assert not hand.motion().regions[0].transform
    moved = np.subtract(hand.motion().drags[0].points[-1], hand.motion().drags[0].points[0])
    turn, pivot = hand.page.evaluate(HANDLES)
    arm = turn[1] - pivot[1]
    hand.pull(tuple(turn), (pivot[0] - arm, pivot[1]))
    motion = hand.motion()
    last = motion.regions[0].transform[-1]
    assert last.turn == pytest.approx(90, abs=1.5)
    assert (last.dx, last.dy) == pytest.approx(tuple(moved), abs=0.5)
    assert [drag.is_anchor for drag in motion.drags] == [True]
    # What it stands for is written out.
    hand.editor.get_by_role("button", name="Write out as drags").click()
    written = hand.motion()
    assert not written.regions[0].transform
    assert len(written.drags) == 3
    start, end = (
        np.array(written.drags[-1].points[k]) - written.drags[-2].points[k] for k in (0, -1)
    )
    assert np.arctan2(end[1], end[0]) - np.arctan2(start[1], start[0]) == pytest.approx(
        np.radians(last.turn), abs=0.01
    )
    # One step back are the handles, two the drag.
    canvas = hand.editor.locator(".stage canvas")
    canvas.press("Control+z")
    assert hand.motion() == motion
    canvas.press("Control+z")
    assert len(hand.motion().drags) == 2
    assert not hand.motion().regions[0].transform


def test_handles_give_way_to_a_drag_that_is_drawn_and_never_fight_with_two(hand: Hand) -> None:
    brush(hand)
    hand.tool("transform")
    hand.pull(MIDDLE, (105, 62))
    assert hand.motion().regions[0].transform[-1].dx == pytest.approx(20, abs=1)
    hand.tool("drag")
    hand.page.evaluate("window.kinema.editor.state.seek(0)")
    hand.wait_for_preview(lambda: hand.pull((80, 55), (80, 30)))
    motion = hand.motion()
    assert not motion.regions[0].transform
    assert len(motion.drags) == 3
    hand.tool("transform")
    hand.pull(MIDDLE, (60, 62))
    assert hand.motion() == motion
    hand.editor.get_by_text("3 drags and pins move region 1").wait_for()


def test_camera_undo_redo_and_saving(hand: Hand, tmp_path: Path) -> None:
    brush(hand)
    hand.editor.locator("summary", has_text="Camera").click()
    slider = hand.editor.get_by_role("slider", name="Pan")
    slider.focus()
    hand.wait_for_preview(lambda: [slider.press("ArrowRight") for _ in range(6)])
    camera = hand.motion().camera
    assert camera is not None
    assert (camera.moves[0].name, camera.moves[0].amount) == ("pan", 3.0)
    canvas = hand.editor.locator(".stage canvas")
    canvas.press("Control+z")
    assert hand.motion().camera is None
    canvas.press("Control+z")
    canvas.press("Control+z")
    assert not hand.motion().regions
    for _ in range(3):
        canvas.press("Control+Shift+Z")
    full = hand.motion()
    assert full.camera == camera
    with hand.page.expect_download() as saved:
        hand.page.get_by_role("button", name="Save motion").click()
    path = tmp_path / "saved.json"
    saved.value.save_as(path)
    assert Motion.load(path) == full
    hand.page.evaluate("document.querySelector('kinema-editor').state.reset()")
    assert not hand.motion().regions
    with hand.page.expect_file_chooser() as chosen:
        hand.page.get_by_role("button", name="Open motion").click()
    chosen.value.set_files(path)
    hand.page.wait_for_function(
        "document.querySelector('kinema-editor').state.motion.camera !== null"
    )
    again = hand.motion()
    assert again.camera == full.camera
    assert np.array_equal(again.regions[0].coverage(SIZE), full.regions[0].coverage(SIZE))


def test_smart_edge_lasso_fill_and_erase(hand: Hand) -> None:
    thing = Region(brush=[(85, 62)], radius=25).rasterize(SIZE)
    thing &= np.hypot((np.arange(192) - 85) / 25, ((np.arange(120) - 62.5) / 22.5)[:, None]) <= 1
    hand.page.evaluate("document.querySelector('kinema-editor').state.set({size: 60})")
    hand.tool("smart")
    hand.pull((75, 60), (95, 64))
    found = hand.motion().regions[0].rasterize(SIZE)
    assert (found & thing).sum() / (found | thing).sum() > 0.9
    hand.editor.get_by_role("button", name="New region").click()
    hand.tool("fill")
    hand.page.mouse.click(*hand.at(*MIDDLE))
    filled = hand.motion().regions[1].rasterize(SIZE)
    assert (filled & thing).sum() / (filled | thing).sum() > 0.9
    hand.editor.get_by_role("button", name="New region").click()
    hand.tool("lasso")
    hand.pull((20, 20), (60, 20), (60, 40), (20, 40), steps=10)
    area = hand.motion().regions[2].rasterize(SIZE).sum()
    assert area == pytest.approx(800, rel=0.1)
    hand.tool("brush")
    hand.page.keyboard.down("Alt")
    hand.pull((20, 30), (60, 30))
    hand.page.keyboard.up("Alt")
    assert hand.motion().regions[2].rasterize(SIZE).sum() == 0


def test_hints_are_told_in_words(hand: Hand) -> None:
    brush(hand)
    hand.tool("drag")
    hand.pull((85, 100), (150, 105))
    hints = hand.editor.get_by_role("status", name="Hints")
    assert "starts just outside region 1" in hints.inner_text()
    hand.pull((10, 10), (10, -20))
    assert "leaves the picture" in hints.inner_text()


def test_rendering_cancelling_and_running_again(
    studio: Studio, look: Callable[..., Any], photo_file: Path
) -> None:
    from kinema_apps.service.testing import ScriptedEngine

    engine = ScriptedEngine(by_itself=False)
    running = studio(engine)
    hand = Hand(look(f"{running.url}/studio/"))
    hand.page.wait_for_function("window.kinema !== undefined")
    hand.open(photo_file)
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 60))
    render = hand.page.get_by_role("button", name="Render")
    render.first.click()
    hand.page.locator(".render").get_by_role("button", name="Render", exact=True).click()
    task = engine.wait_for(1)
    cards = hand.page.locator(".card")
    cards.first.get_by_role("button", name="Cancel").click()
    hand.page.wait_for_timeout(200)
    engine.say("w0", "cancelled")
    cards.first.get_by_text("cancelled").first.wait_for()
    cards.first.get_by_role("button", name="Rerun").click()
    again = engine.wait_for(2)
    assert again.job != task.job
    engine.say("w0", "progress", step=1, steps=2)
    cards.first.get_by_role("progressbar").wait_for()
    engine.succeed("w0")
    cards.first.get_by_text("succeeded").wait_for()
    requests = [running.client.status(job).id for job in (task.job, again.job)]
    assert len(set(requests)) == 2
    cards.first.get_by_role("button", name="Command").click()
    command = hand.page.locator("dialog pre").inner_text()
    assert command.startswith("kinema animate photo.png")
    hand.page.get_by_role("button", name="Close").click()
    cards.first.get_by_role("button", name="Edit").click()
    hand.page.wait_for_function(
        "document.querySelector('kinema-editor').state.motion.drags.length === 1"
    )


def test_what_is_copied_makes_the_very_same_video(
    studio: Studio,
    look: Callable[..., Any],
    photo_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kinema_apps.service.local_engine import LocalEngine

    hand = Hand(look(f"{studio(LocalEngine()).url}/studio/"))
    hand.page.wait_for_function("window.kinema !== undefined")
    hand.open(photo_file)
    brush(hand)
    hand.tool("drag")
    hand.pull(MIDDLE, (110, 60))
    hand.page.get_by_role("navigation").get_by_role("button", name="Render").click()
    form = hand.page.locator(".render")
    form.get_by_label("Backbone").select_option("preview")
    form.get_by_label("Seed").fill("7")
    form.get_by_label("Frames", exact=True).fill("5")
    form.get_by_text("Options of preview").click()
    form.get_by_label("attached").select_option("never")
    form.get_by_text("webp").click()
    form.get_by_role("button", name="Render", exact=True).click()
    card = hand.page.locator(".card")
    card.get_by_text("succeeded").wait_for(timeout=120_000)
    for form in ("MP4", "WEBP"):
        with hand.page.expect_download() as saved:
            card.get_by_role("button", name=f"Download {form}").click()
        assert Path(saved.value.path()).stat().st_size > 500
    texts = []
    for name in ("Command", "Python"):
        card.get_by_role("button", name=name).click()
        texts.append(hand.page.locator("dialog pre").inner_text())
        for file in ("photo.png", "motion.json"):
            with hand.page.expect_download() as saved:
                hand.page.get_by_role("button", name=f"Save {file}").click()
            saved.value.save_as(tmp_path / file)
        hand.page.get_by_role("button", name="Close").click()
    (made,) = hand.page.evaluate("fetch('/v1/jobs').then((answer) => answer.json())")["jobs"]
    hashes = []
    monkeypatch.chdir(tmp_path)
    words = shlex.split(texts[0].replace("\\\n", " "))
    assert words[:2] == ["kinema", "animate"]
    assert CliRunner().invoke(cli, words[1:], catch_exceptions=False).exit_code == 0
    hashes.append(Manifest.load(manifest_path("video.mp4")).frames_sha256)
    Path("video.mp4").unlink()
    exec(compile(texts[1], "copied", "exec"), {})
    hashes.append(Manifest.load(manifest_path("video.mp4")).frames_sha256)
    assert hashes == [made["result"]["frames_sha256"]] * 2


def test_three_photos_are_annotated(
    studio: Studio, look: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    running = studio(annotation=Annotation(folder, tmp_path / "items"))
    hand = Hand(look(f"{running.url}/studio/"))
    for name in ("a.png", "b.jpg", "c.png"):
        hand.page.wait_for_function(
            "(name) => window.kinema?.editor.state.photo?.name === name", arg=name
        )
        hand.page.wait_for_function("window.kinema.editor.state.motion.drags.length === 0")
        brush(hand)
        hand.tool("drag")
        hand.pull(MIDDLE, (110, 60))
        hand.page.get_by_role("button", name="Save and next").click()
        hand.page.get_by_text(f"Saved Fine_grained_control/{Path(name).stem}").wait_for()
    items = sorted(path.name for path in (tmp_path / "items" / "Fine_grained_control").iterdir())
    assert items == ["a", "b", "c"]
    points = json.loads((tmp_path / "items/Fine_grained_control/a/meta_data.json").read_text())[
        "traj_key_points"
    ]
    assert np.allclose(points[0][0], MIDDLE, atol=1.5)


def test_the_page_works_under_its_own_policy(
    studio: Studio, look: Callable[..., Any], photo_file: Path
) -> None:
    page = look(f"{studio().url}/studio/", bypass_csp=False)
    editor = page.locator("kinema-editor")
    with page.expect_file_chooser() as chosen:
        editor.get_by_role("button", name="Choose a photo").click()
    chosen.value.set_files(photo_file)
    editor.get_by_role("button", name="Use it").click()
    editor.get_by_role("button", name="Pin").click()
    editor.locator(".stage canvas").click()
    editor.get_by_role("button", name="Choose pin 1").first.wait_for()
    # The marks of the timeline stand where they should: their style is not refused.
    editor.get_by_role("button", name="Drag (D)").click()
    box = editor.locator(".stage canvas").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 380, box["y"] + 220, steps=5)
    page.mouse.up()
    marks = editor.locator(".knot")
    marks.nth(1).wait_for()
    left, right = (marks.nth(k).bounding_box()["x"] for k in (0, 1))
    assert right > left + 100


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    studio: Studio,
    look: Callable[..., Any],
    photo_file: Path,
    width: int,
    height: int,
    scheme: str,
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = look(f"{studio().url}/studio/", width, height, color_scheme=scheme)
    hand = Hand(page)
    page.wait_for_function("window.kinema !== undefined")
    for view in ("Draw", "Render", "Gallery"):
        page.get_by_role("navigation").get_by_role("button", name=view).click()
        if view == "Draw":
            hand.open(photo_file)
            brush(hand)
            hand.tool("drag")
            hand.pull(MIDDLE, (110, 60))
        found = axe.run(page).response["violations"]
        serious = [
            (each["id"], each["nodes"][0]["html"][:120], each["nodes"][0]["failureSummary"])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert not serious, serious


def test_touch_draws_and_two_fingers_zoom(
    studio: Studio, look: Callable[..., Any], photo_file: Path
) -> None:
    page = look(f"{studio().url}/studio/", 390, 844, has_touch=True, is_mobile=True)
    hand = Hand(page)
    page.wait_for_function("window.kinema !== undefined")
    hand.open(photo_file)
    hand.tool("drag")
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    fingers("touchStart", hand.at(*MIDDLE))
    for x in range(86, 112, 3):
        fingers("touchMove", hand.at(x, 60))
    fingers("touchEnd")
    assert len(hand.motion().drags) == 1
    across, down = hand.at(*MIDDLE)
    before = page.evaluate("window.kinema.editor.stage.view.scale")
    fingers("touchStart", (across - 20, down))
    fingers("touchStart", (across - 20, down), (across + 20, down))
    for step in range(1, 8):
        fingers("touchMove", (across - 20 - 5 * step, down), (across + 20 + 5 * step, down))
    fingers("touchEnd")
    assert page.evaluate("window.kinema.editor.stage.view.scale") > 1.8 * before
    assert len(hand.motion().drags) == 1


def test_of_ten_thousand_points_each_frame_draws_its_own(hand: Hand) -> None:
    found = hand.page.evaluate(MANY_POINTS)
    assert found["regions"] == 1
    # What a frame has to draw is what was touched since the last, however long the stroke is.
    assert found["visited"] < 0.6 * SIZE[0] * SIZE[1]


def test_the_element_works_in_a_foreign_page_without_a_server(
    look: Callable[..., Any], photo_file: Path, tmp_path: Path
) -> None:
    """Files of the package alone, served by nobody that knows kinema."""
    import http.server
    import shutil
    import threading
    from functools import partial

    from kinema_apps.studio import EDITOR

    shutil.copytree(EDITOR, tmp_path / "site" / "editor")
    (tmp_path / "site" / "index.html").write_text(
        "<!doctype html><html lang=en><title>t</title><link rel=icon href=data:,>"
        "<kinema-editor style='height:90vh'></kinema-editor>"
        "<script type=module src=editor/kinema-editor.js></script>"
        "<script type=module>window.told = []; document.querySelector('kinema-editor')"
        ".addEventListener('kinema-motion', (e) => window.told.push(e.detail));</script></html>"
    )

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "site")
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        hand = Hand(look(f"http://127.0.0.1:{server.server_port}/index.html"))
        hand.open(photo_file)
        hand.tool("drag")
        hand.pull(MIDDLE, (110, 60))
        hand.page.wait_for_function("window.told.some((motion) => motion.drags.length)")
        told = hand.page.evaluate("window.told.at(-1)")
        assert Motion.from_dict(told).drags[0].points[0] == pytest.approx(MIDDLE, abs=1)
    finally:
        server.shutdown()
        server.server_close()
