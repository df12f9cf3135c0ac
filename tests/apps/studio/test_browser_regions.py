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


def test_of_ten_thousand_points_each_frame_draws_its_own(hand: Any) -> None:
    found = hand.page.evaluate(MANY_POINTS)
    assert found["regions"] == 1
    # What a frame has to draw is what was touched since the last, however long the stroke is.
    assert found["visited"] < 0.6 * SIZE[0] * SIZE[1]
