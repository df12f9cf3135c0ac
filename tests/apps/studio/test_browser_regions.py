"""Choosing a part of a photo, and regions of it, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinema.motion.region import Region
from kinema_apps.service.testing import Running

pytestmark = [pytest.mark.slow, pytest.mark.all_packages]

Studio = Callable[..., Running]

#: (width, height) of the photo, and the middle of the red thing on it.
SIZE, MIDDLE = (192, 120), (85, 62)


#: Brushes along 10,000 points, 40 to a frame, as a fast pen gives them; counts what that takes.
MANY_POINTS = """async () => {
  const { editor } = window.kinema;
  const { stage, state } = editor;
  const { Mask } = await import('/studio/editor/raster/mask.js');
  state.use('brush');
  state.set({ size: 24 });
  await new Promise(requestAnimationFrame);
  const counts = { tinted: [], cleared: [], drawings: 0, encoded: 0, counted: 0, told: 0 };
  const counting = (owner, name, count) => {
    const real = owner[name];
    owner[name] = function (...given) {
      count(...given);
      return real.apply(this, given);
    };
    return () => { owner[name] = real; };
  };
  const real = [
    counting(Mask.prototype, 'tinted', (_, __, box) =>
      counts.tinted.push((box.right - box.left) * (box.bottom - box.top))),
    counting(Mask.prototype, 'forEachInside', () => { counts.counted += 1; }),
    counting(OffscreenCanvas.prototype, 'convertToBlob', () => { counts.encoded += 1; }),
    counting(stage.context, 'clearRect', () => { counts.drawings += 1; }),
    counting(stage.context, 'rect', (x, y, width, height) => counts.cleared.push(width * height)),
  ];
  const heard = () => { counts.told += 1; };
  state.addEventListener('change', heard);
  const box = stage.element.getBoundingClientRect();
  const place = (k) => stage.view.toScreen(
    [40 + 30 * Math.cos(k / 50) + k / 120, 60 + 30 * Math.sin(k / 50)]);
  const event = (kind, k, more = {}) => {
    const [x, y] = place(k);
    const at = { clientX: box.left + x, clientY: box.top + y };
    return new PointerEvent(kind, { pointerId: 9, buttons: 1, bubbles: true, ...at, ...more });
  };
  stage.element.dispatchEvent(event('pointerdown', 0));
  await new Promise(requestAnimationFrame);
  Object.assign(counts, { tinted: [], cleared: [], drawings: 0 });
  for (let k = 1; k <= 10000; k += 40) {
    const coalescedEvents = Array.from({ length: 40 }, (_, i) => event('pointermove', k + i));
    stage.element.dispatchEvent(event('pointermove', k + 39, { coalescedEvents }));
    // As the page does where nothing moves yet; it may come late, under the hand.
    if (k === 4001) editor.setFrames([]);
    await new Promise(requestAnimationFrame);
  }
  const found = structuredClone(counts);
  real.forEach((put) => put());
  stage.element.dispatchEvent(event('pointerup', 10000));
  return { ...found, window: box.width * box.height, scale: stage.view.scale,
           regions: state.motion.regions.length };
}"""


def test_only_the_chosen_part_of_a_photo_is_used(
    studio: Studio, person: Callable[..., Any], photo_file: Path
) -> None:
    hand = person(f"{studio().url}/studio/")
    with hand.page.expect_file_chooser() as chosen:
        hand.editor.get_by_role("button", name="Choose a photo").click()
    chosen.value.set_files(photo_file)
    hand.editor.get_by_label("Shape").select_option("square")
    part = hand.editor.get_by_label("Part of the photo to use")
    for _ in range(30):
        part.press("ArrowLeft")
    hand.editor.get_by_role("button", name="Use it").click()
    hand.page.wait_for_function("window.kinema.editor.state.photo !== null")
    assert hand.motion().canvas == (120, 120)
    # Its left part: the thing's left edge stays where it was.
    hand.tool("fill")
    hand.page.mouse.click(*hand.at(*MIDDLE))
    columns = np.nonzero(hand.motion().regions[0].rasterize((120, 120)).any(axis=0))[0]
    assert columns.min() == pytest.approx(60, abs=2)


def test_regions_grow_shrink_come_and_go_in_order(hand: Any) -> None:
    hand.brush()
    area = hand.motion().regions[0].rasterize(SIZE).sum()
    grow = hand.editor.get_by_role("slider", name="Grow")
    grow.focus()
    areas = []
    for key, times in (("ArrowRight", 6), ("ArrowLeft", 12)):
        for _ in range(times):
            grow.press(key)
        areas.append(hand.motion().regions[0].rasterize(SIZE).sum())
    assert areas[0] > 1.1 * area
    assert areas[1] < 0.9 * area
    hand.editor.get_by_label("Appears at").fill("0.25")
    hand.editor.get_by_label("Appears at").press("Enter")
    hand.editor.get_by_label("Outline").select_option(label="is cut out")
    hand.editor.get_by_role("button", name="New region").click()
    hand.pull((20, 20), (40, 20))
    hand.editor.get_by_label("Outline").select_option(label="stays attached")
    assert [region.name for region in hand.motion().regions] == ["region 1", "region 2"]
    hand.editor.get_by_role("button", name="Lower region 2").click()
    regions = hand.motion().regions
    assert [region.name for region in regions] == ["region 2", "region 1"]
    assert (regions[1].grow, regions[1].appears) == (-3.0, 0.25)
    assert [region.attached for region in regions] == [True, False]
    # A soft brush covers its rim in part.
    hand.editor.get_by_role("button", name="New region").click()
    hand.page.evaluate("window.kinema.editor.state.set({hardness: 0, size: 40})")
    hand.pull((140, 90), (141, 90))
    assert 0 < hand.motion().regions[2].coverage(SIZE)[90, 153] < 1


def test_smart_edge_lasso_fill_and_erase(hand: Any) -> None:
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


def test_of_ten_thousand_points_each_costs_the_same(hand: Any) -> None:
    metrics = hand.page.context.new_cdp_session(hand.page)
    metrics.send("Performance.enable")

    def layouts() -> float:
        told = metrics.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in told if each["name"] == "LayoutCount"))

    before = layouts()
    found = hand.page.evaluate(MANY_POINTS)
    assert found["regions"] == 1
    # Each of the points is drawn, and only the pixels that the brush can reach from one to the
    # next are visited for it, however long the stroke is.
    assert len(found["tinted"]) == 10_000
    assert max(found["tinted"]) <= (24 + 6) ** 2
    # Of the window, what was brushed in this frame, and the ring around the pointer.
    assert len(found["cleared"]) == found["drawings"] <= 251
    assert max(found["cleared"]) < 0.35 * found["window"]
    early, late = found["cleared"][1:51], found["cleared"][-50:]
    assert np.mean(late) < 1.2 * np.mean(early)
    # Nothing is encoded, counted, told or laid out before the hand lifts.
    assert (found["encoded"], found["counted"], found["told"]) == (0, 0, 0)
    assert layouts() - before < 20


def test_a_mask_is_encoded_once_however_often_the_motion_changes(hand: Any) -> None:
    hand.brush()
    hand.motion()
    hand.page.evaluate(
        "() => { window.encoded = 0; const real = OffscreenCanvas.prototype.convertToBlob;"
        "OffscreenCanvas.prototype.convertToBlob = function (...given) {"
        " window.encoded += 1; return real.apply(this, given); }; }"
    )
    hand.editor.get_by_label("Appears at").fill("0.5")
    hand.editor.get_by_label("Appears at").press("Enter")
    assert hand.motion().regions[0].appears == 0.5
    assert hand.page.evaluate("window.encoded") == 0
    area = hand.motion().regions[0].rasterize(SIZE).sum()
    hand.tool("brush")
    hand.pull((130, 20), (150, 20))
    assert hand.motion().regions[0].rasterize(SIZE).sum() > area
    assert hand.page.evaluate("window.encoded") == 1


def test_a_stroke_leaves_the_picture_as_if_all_of_it_were_drawn_anew(hand: Any) -> None:
    """Only parts of the window are drawn under a moving hand; nothing old may stay."""
    settled = "new Promise((go) => requestAnimationFrame(() => setTimeout(go)))"
    canvas = "document.querySelector('kinema-editor').stage.element.toDataURL()"
    hand.tool("brush")
    hand.page.evaluate("window.kinema.editor.state.set({size: 30})")
    hand.page.mouse.move(*hand.at(30, 30))
    hand.page.mouse.down()
    for point in ((60, 40), (100, 90), (150, 30)):
        hand.page.mouse.move(*hand.at(*point), steps=4)
        hand.page.evaluate(settled)
        drawn = hand.page.evaluate(canvas)
        hand.page.evaluate("window.kinema.editor.stage.redraw()")
        hand.page.evaluate(settled)
        assert hand.page.evaluate(canvas) == drawn
    hand.page.mouse.up()
    for point in ((20, 100), (170, 20)):
        hand.page.mouse.move(*hand.at(*point), steps=3)
        hand.page.evaluate(settled)
    drawn = hand.page.evaluate(canvas)
    hand.page.evaluate("window.kinema.editor.stage.redraw()")
    hand.page.evaluate(settled)
    assert hand.page.evaluate(canvas) == drawn


def test_a_pen_brushes_and_its_second_button_erases(hand: Any) -> None:
    hand.tool("brush")
    hand.page.evaluate("window.kinema.editor.state.set({size: 20})")
    hand.page.evaluate(
        "() => { window.pens = []; window.kinema.editor.stage.element.addEventListener("
        "'pointermove', (e) => window.pens.push([e.pointerType, e.pressure > 0.5])); }"
    )
    pen = hand.page.context.new_cdp_session(hand.page)

    def stroke(button: str, buttons: int, *points: tuple[float, float]) -> None:
        for kind, point in zip(
            ("mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"),
            (*points, points[-1]),
            strict=True,
        ):
            x, y = hand.at(*point)
            down = kind != "mouseReleased"
            more = {"buttons": buttons if down else 0, "force": 0.8 if down else 0.0}
            told = {"type": kind, "x": x, "y": y, "button": button, "pointerType": "pen", **more}
            pen.send("Input.dispatchMouseEvent", {**told, "clickCount": 1})

    stroke("left", 1, (40, 40), (60, 40), (80, 40))
    assert ["pen", True] in hand.page.evaluate("window.pens")
    (region,) = hand.motion().regions
    inside = region.rasterize(SIZE)
    assert inside[40, 40:81].all()
    assert not inside[60].any()
    stroke("right", 2, (70, 40), (90, 40))
    (region,) = hand.motion().regions
    assert not region.rasterize(SIZE)[40, 70:81].any()
    assert region.rasterize(SIZE)[40, 45]
