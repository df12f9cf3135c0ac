"""Regions: what is inside, from every way to say it, and what is refused."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema import MotionError, Region
from kinema.motion.region import as_region
from kinema.testing.strategies import masks, regions

CANVAS = (40, 30)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_an_embedded_mask_comes_back_exactly(data: st.DataObject) -> None:
    mask = data.draw(masks(CANVAS))
    region = Region.from_array(mask, name="cup")
    assert np.array_equal(region.rasterize(CANVAS), mask)
    assert region.rasterize(CANVAS).dtype == bool


@given(regions(CANVAS))
@settings(max_examples=40, deadline=None)
def test_every_region_fills_the_canvas_shape(region: Region) -> None:
    assert region.rasterize(CANVAS).shape == (30, 40)


def test_a_polygon_holds_its_border() -> None:
    mask = Region(polygon=[(5, 6), (9, 6), (9, 8), (5, 8)]).rasterize(CANVAS)
    expected = np.zeros((30, 40), dtype=bool)
    expected[6:9, 5:10] = True
    assert np.array_equal(mask, expected)


def test_a_brush_covers_its_radius_and_little_more() -> None:
    mask = Region(brush=[(10, 15), (30, 15)], radius=4).rasterize(CANVAS)
    assert mask[15, 6:35].all()
    assert mask[11:20, 10:31].all()
    assert not mask[:10].any()
    assert not mask[21:].any()
    assert not mask[:, :5].any()
    dot = Region(brush=[(10, 15)], radius=3).rasterize(CANVAS)
    assert dot[15, 10]
    assert 20 < dot.sum() < 50


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "LA", "I;16", "P"])
def test_bright_pixels_of_any_picture_are_inside(tmp_path: Path, mode: str) -> None:
    grey = np.zeros((30, 40), dtype=np.uint8)
    grey[2:5, 3:7] = 255
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 256)
    else:
        image = Image.fromarray(grey).convert("RGBA" if mode == "LA" else mode)
        image = image.convert(mode)
    path = tmp_path / "m.png"
    image.save(path)
    assert np.array_equal(Region(mask=str(path)).rasterize(CANVAS), grey > 0)


def test_a_brush_layer_is_read_by_its_alpha(tmp_path: Path) -> None:
    image = Image.new("RGBA", CANVAS, (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (3, 4, 10, 12))
    image.save(tmp_path / "m.png")
    mask = Region(mask=str(tmp_path / "m.png")).rasterize(CANVAS)
    assert mask.sum() == 7 * 8
    assert mask[4, 3]


def test_the_threshold_is_half(tmp_path: Path) -> None:
    Image.fromarray(np.array([[127, 128]], dtype=np.uint8)).save(tmp_path / "m.png")
    mask = Region(mask=str(tmp_path / "m.png")).rasterize((2, 1))
    assert mask.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of mask, png, polygon and brush; got none"),
        ({"mask": "a", "png": "b"}, "exactly one of .* got mask and png"),
        ({"polygon": [(0, 0), (1, 1)]}, "polygon needs at least 3 corners, got 2"),
        ({"polygon": [(0, 0), (1, 1), (1, float("inf"))]}, "Point 2 of a region's polygon is not"),
        (
            {"brush": [(0, 0)]},
            "needs a brush and a radius above 0 pixels; got 1 points and radius 0",
        ),
        ({"mask": "a", "radius": 2}, "needs a brush and a radius above 0"),
    ],
)
def test_wrong_regions_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Region(**options)


def test_unreadable_masks_are_named(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match=r"The region's mask 'none.png' does not exist"):
        Region(mask="none.png").rasterize(CANVAS)
    with pytest.raises(MotionError, match="is not a readable image"):
        Region(mask=str(tmp_path)).rasterize(CANVAS)
    with pytest.raises(MotionError, match="The region 'cup' is not a readable image"):
        Region(png="@@@", name="cup").rasterize(CANVAS)
    with pytest.raises(MotionError, match="The region png is not a readable image"):
        Region(png=base64.b64encode(b"no picture").decode()).rasterize(CANVAS)
    Image.new("L", (30, 40), 255).save(tmp_path / "m.png")
    with pytest.raises(MotionError, match=r"m.png is 30x40 but the canvas is 40x30; a mask must"):
        Region(mask=str(tmp_path / "m.png")).rasterize(CANVAS)
    whole = (tmp_path / "m.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MotionError, match="is not a readable image"):
        Region(mask=str(tmp_path / "cut.png")).rasterize((30, 40))


@given(st.binary(max_size=200), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_a_broken_picture_is_a_motion_error(noise: bytes, keep: int) -> None:
    good = base64.b64decode(Region.from_array(np.eye(30, 40)).png)
    for data in (noise, good[:keep] + noise):
        region = Region(png=base64.b64encode(data or b"x").decode())
        with contextlib.suppress(MotionError):
            assert region.rasterize(CANVAS).shape == (30, 40)


def test_arrays_must_be_flat() -> None:
    with pytest.raises(MotionError, match=r"must be \(H, W\), got the shape \(3, 4, 5\)"):
        Region.from_array(np.zeros((3, 4, 5)))


def test_anything_that_names_a_region_becomes_one(tmp_path: Path) -> None:
    region = Region(mask="m.png")
    assert as_region(region) is region
    assert as_region("m.png") == region
    assert as_region(Path("m.png")) == region
    assert as_region({"mask": "m.png", "name": "cup"}).label() == "'cup'"
    assert as_region(np.eye(3)).png
