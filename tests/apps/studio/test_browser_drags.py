"""Drawing, timing and turning, as a person does it in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.motion.motion import Motion
from kinema_apps.service.testing import Running

pytestmark = [pytest.mark.slow, pytest.mark.all_packages]

Studio = Callable[..., Running]

#: (width, height) of the photo, and the middle of the red thing on it.
SIZE, MIDDLE = (192, 120), (85, 62)


HANDLES = """() => {
  const { stage } = window.kinema.editor;
  const { turn, pivot } = stage.tool.handles();
  return [stage.view.toCanvas(turn), stage.view.toCanvas(pivot)];
}"""


def test_from_a_photo_to_a_preview_that_moves(hand: Any) -> None:
    hand.brush()
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


def test_drags_pins_times_and_turns(hand: Any) -> None:
    hand.brush()
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


def test_handles_give_way_to_a_drag_that_is_drawn_and_never_fight_with_two(hand: Any) -> None:
    hand.brush()
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


def test_holds_loops_and_the_scrub_bar(hand: Any) -> None:
    hand.tool("drag")
    hand.wait_for_preview(lambda: hand.pull(MIDDLE, (100, 60), (115, 60)))
    hand.editor.get_by_role("button", name="Choose drag 1").first.click()
    before = hand.motion().drags[0]
    hand.editor.get_by_role("button", name="Hold here").click()
    held = hand.motion().drags[0]
    assert len(held.points) == len(before.points) + 1
    assert np.allclose(held.at([0.0, 0.1, 0.19]), held.points[0])
    hand.editor.get_by_label("Easing").first.select_option("gentle")
    hand.editor.get_by_label("Playback").select_option("ping-pong")
    hand.editor.get_by_label("Rounds").fill("2")
    hand.wait_for_preview(lambda: hand.editor.get_by_label("Rounds").press("Enter"))
    motion = hand.motion()
    assert (motion.playback, motion.cycles, motion.drags[0].easing) == ("ping-pong", 2, "gentle")
    columns = hand.frames()
    assert columns[-1] == pytest.approx(columns[0], abs=1.5)
    assert columns.max() > columns[0] + 15
    # The bar shows the frame of its time, and onion skin others with it.
    scrub = hand.editor.get_by_role("slider", name="Time", exact=True)
    pictures = []
    for time in ("0", "0.25"):  # the start, and the end of the first way there
        scrub.fill(time)
        assert hand.page.evaluate("window.kinema.editor.state.playing") is False
        hand.page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
        pictures.append(hand.editor.locator(".stage canvas").screenshot())
    hand.editor.get_by_label("Onion skin").check()
    hand.page.evaluate("new Promise((go) => requestAnimationFrame(() => setTimeout(go)))")
    pictures.append(hand.editor.locator(".stage canvas").screenshot())
    assert len(set(pictures)) == 3


def test_a_drag_is_drawn_point_by_point(hand: Any) -> None:
    hand.tool("drag")
    points = [(40, 30), (80, 40), (120, 90)]
    for count, point in enumerate(points, start=1):
        hand.page.mouse.click(*hand.at(*point))
        (drag,) = hand.motion().drags
        assert np.allclose(drag.points, points[:count], atol=0.6)
    assert np.allclose(drag.at([1.0]), points[-1], atol=0.6)
    # Elsewhere, with nothing chosen, another one begins.
    hand.editor.locator(".stage canvas").press("Escape")
    hand.page.mouse.click(*hand.at(20, 100))
    assert [len(drag.points) for drag in hand.motion().drags] == [3, 1]
    canvas = hand.editor.locator(".stage canvas")
    canvas.press("Control+z")
    canvas.press("Control+z")
    assert [len(drag.points) for drag in hand.motion().drags] == [2]


def test_a_loop_and_there_and_back_play_as_they_say(hand: Any) -> None:
    hand.brush()
    hand.tool("drag")
    hand.wait_for_preview(lambda: hand.pull(MIDDLE, (115, 62)))
    playback = hand.editor.get_by_label("Playback")
    ways = {}
    for name in ("loop", "ping-pong", "once"):
        hand.wait_for_preview(lambda name=name: playback.select_option(name))
        motion = hand.motion()
        assert (motion.playback, motion.cycles) == (name, 1)
        ways[name] = hand.frames() - hand.frames()[0]
    # A loop begins anew just before it would; there and back is halfway when it turns.
    assert (np.diff(ways["loop"]) > -0.5).all()
    assert ways["loop"][-1] == pytest.approx(30 * 15 / 16, abs=4)
    assert np.argmax(ways["ping-pong"]) == pytest.approx(8, abs=1)
    assert np.allclose(ways["ping-pong"][1:8], ways["ping-pong"][:8:-1], atol=2)
    assert ways["once"][-1] == pytest.approx(30, abs=5)


def test_hints_are_told_in_words(hand: Any) -> None:
    hand.brush()
    hand.tool("drag")
    hand.pull((85, 100), (150, 105))
    hints = hand.editor.get_by_role("status", name="Hints")
    hints.get_by_text("starts just outside region 1").wait_for()
    hand.pull((10, 10), (10, -20))
    hints.get_by_text("leaves the picture").wait_for()


def test_camera_undo_redo_and_saving(hand: Any, tmp_path: Path) -> None:
    hand.brush()
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


def test_all_of_it_goes_with_keys_alone(hand: Any) -> None:
    canvas = hand.editor.locator(".stage canvas")
    canvas.focus()
    for key in ("r", "n", "Shift+ArrowRight", "ArrowUp"):
        canvas.press(key)
    motion = hand.motion()
    middle = (SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2
    assert motion.regions[0].rasterize(SIZE)[60, 96]
    assert motion.drags[0].region == "region 1"
    assert motion.drags[0].points[0] == pytest.approx(middle, abs=0.6)
    assert motion.drags[0].points[1] == pytest.approx((middle[0] + 29, middle[1] - 1), abs=0.6)
    for key in ("Control+c", "Control+v", "m"):
        canvas.press(key)
    pasted = hand.motion().drags[1]
    assert pasted.points[1][0] < pasted.points[0][0]
    canvas.press("?")
    hand.editor.get_by_role("dialog", name="Keys").wait_for()
    hand.editor.get_by_role("button", name="Close", exact=True).click()
    for _ in range(6):
        canvas.press("Control+z")
    assert not hand.motion().regions
    assert not hand.motion().drags


def test_touch_draws_and_two_fingers_zoom(
    studio: Studio, person: Callable[..., Any], photo_file: Path
) -> None:
    hand = person(f"{studio().url}/studio/", 390, 844, has_touch=True, is_mobile=True)
    page = hand.page
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
