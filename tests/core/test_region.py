"""Regions: what is inside, from every way to say it, and what is refused."""

from __future__ import annotations

import base64
import contextlib
import copy
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import PIL.ImageFile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema import Drag, Motion, MotionError, Region, Session, Tracks
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


# -- decoded once ---------------------------------------------------------------------------------


class Pictures:
    """Counts what is decoded and what is encoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decoded, self.encoded = 0, 0
        load, save = PIL.ImageFile.ImageFile.load, Image.Image.save

        def decode(image: Any) -> Any:
            self.decoded += bool(image.tile)
            return load(image)

        def encode(image: Any, target: Any, form: Any = None, **options: Any) -> None:
            self.encoded += 1
            save(image, target, form, **options)

        monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", decode)
        monkeypatch.setattr(Image.Image, "save", encode)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    inside = np.zeros((30, 40), dtype=np.uint8)
    inside[5:20, 8:30] = 255
    Image.fromarray(inside).save(tmp_path / "m.png")
    return tmp_path / "m.png"


def test_a_mask_is_decoded_once_and_never_encoded_unless_asked_for(
    mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = Pictures(monkeypatch)
    motion = Motion(canvas=CANVAS, regions=[Region(mask=str(mask), name="cup")])
    small = motion.fitted((20, 20))
    for _ in range(2):
        assert motion.regions[0].rasterize(CANVAS).sum() == 15 * 22
        assert small.regions[0].rasterize((20, 20)).any()
    assert (pictures.decoded, pictures.encoded) == (1, 0)
    assert motion.embedded() == motion.embedded()
    text = motion.embedded().to_json()
    assert text == motion.embedded().to_json()
    assert (pictures.decoded, pictures.encoded) == (1, 1)
    back = Motion.from_json(text)
    for _ in range(2):
        assert back.regions[0].rasterize(CANVAS).sum() == 15 * 22
    assert (pictures.decoded, pictures.encoded) == (2, 1)


def test_threads_share_one_decoding(mask: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = Pictures(monkeypatch)
    region = Region(mask=str(mask))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: region.rasterize(CANVAS), range(40)))
    assert all(np.array_equal(found[0], other) for other in found)
    assert pictures.decoded == 1


def test_what_a_caller_does_to_a_mask_stays_with_the_caller(mask: Path) -> None:
    array = np.eye(30, 40)
    for region in (Region(mask=str(mask)), Region.from_array(array)):
        before = region.rasterize(CANVAS)
        region.rasterize(CANVAS)[:] = True
        array[:] = 1
        assert np.array_equal(region.rasterize(CANVAS), before)


def test_a_mask_file_that_changes_is_read_again(mask: Path) -> None:
    region = Region(mask=str(mask))
    assert region.rasterize(CANVAS).any()
    Image.new("L", CANVAS, 0).save(mask)
    os.utime(mask, ns=(1, 1))
    assert not region.rasterize(CANVAS).any()
    mask.unlink()
    with pytest.raises(MotionError, match="does not exist"):
        region.rasterize(CANVAS)


def test_an_embedded_region_is_a_value(mask: Path) -> None:
    drawn = Region.from_array(np.eye(30, 40), name="cup")
    read = Region(png=drawn.png, name="cup")
    assert drawn == read
    assert hash(drawn) == hash(read)
    assert drawn != Region.from_array(np.eye(30, 40)[::-1], name="cup")
    assert drawn != Region(polygon=[(0, 0), (3, 0), (3, 3)], name="cup")
    for other in (copy.deepcopy(drawn), pickle.loads(pickle.dumps(drawn))):
        assert other == drawn
        assert np.array_equal(other.rasterize(CANVAS), np.eye(30, 40) > 0)
    region = Region(mask=str(mask))
    region.rasterize(CANVAS)
    assert pickle.loads(pickle.dumps(region)) == region == copy.deepcopy(region)
    assert attrs.evolve(drawn, name="").png == drawn.png
    assert repr(drawn).startswith("Region(mask='', polygon=(), brush=(), radius=0.0, name='cup', ")
    assert drawn.png not in repr(drawn)


@pytest.mark.all_packages
def test_two_masks_are_decoded_once_in_a_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, box in (("a", (10, 10, 50, 50)), ("b", (60, 20, 110, 60))):
        image = Image.new("L", (128, 72), 0)
        image.paste(255, box)
        image.save(tmp_path / f"{name}.png")
    motion = Motion(
        canvas=(128, 72),
        drags=[Drag([(30, 30), (40, 35)]), Drag([(80, 40), (70, 40)])],
        regions=[str(tmp_path / "a.png"), str(tmp_path / "b.png")],
    )
    photo = np.full((72, 128, 3), 90, dtype=np.uint8)
    pictures = Pictures(monkeypatch)
    with Session("preview") as session:
        for size in ((128, 72), (96, 64), (64, 64)):
            session.animate(photo, motion, size=size, frames=3)
    assert (pictures.decoded, pictures.encoded) == (2, 2)


# -- which region lies on top ---------------------------------------------------------------------


def test_later_regions_lie_on_top_and_the_nearest_pixel_decides() -> None:
    low = Region(polygon=[(0, 0), (20, 0), (20, 20), (0, 20)], name="low")
    high = Region(polygon=[(10, 0), (39, 0), (39, 20), (10, 20)], name="high")
    drags = [
        Drag([(3, 3)]),
        Drag([(9.4, 3)]),
        Drag([(9.6, 3)]),
        Drag([(39.4, -0.4)]),
        Drag([(5, 25)]),
        Drag([(5, 25)], region="high"),
    ]
    tracks = Tracks(points=[[(12, 2), (3, 29.4)]] * 2)
    motion = Motion(canvas=CANVAS, drags=drags, regions=[low, high], tracks=tracks)
    layers = motion.layers()
    assert layers.shape == (30, 40)
    assert layers.dtype == np.int64
    assert (layers[5, 5], layers[5, 15], layers[25, 5]) == (1, 2, 0)
    assert motion.moved_layers(layers) == ([1, 1, 2, 2, 0, 2], [2, 0])
    empty = Motion(canvas=CANVAS, drags=[Drag([(3, 3)])])
    assert empty.moved_layers(empty.layers()) == ([0], [])


def test_grey_is_coverage_and_the_brightest_pixels_are_wholly_covered(tmp_path: Path) -> None:
    grey = np.array([[0, 64, 127, 128, 164, 200]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    region = Region(mask=tmp_path / "grey.png")
    cover = region.coverage((6, 1))
    assert cover.dtype == np.float32
    assert np.allclose(cover, [[0, 0.25, 127 / 256, 0.5, 0.75, 1.0]], atol=1e-6)
    assert np.array_equal(cover >= 0.5, region.rasterize((6, 1)))
    assert np.array_equal(region.embedded((6, 1)).coverage((6, 1)), cover)


def test_a_soft_mask_stays_soft_on_another_canvas_and_a_hard_one_hard(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "soft.png")
    soft = Region(mask=tmp_path / "soft.png").remapped((64, 16), (0, 0, 64, 16), (32, 8))
    cover = soft.coverage((32, 8))
    assert np.abs(np.diff(cover, axis=1)).max() < 0.05
    hard = Region.from_array(ramp > 130).remapped((64, 16), (0, 0, 64, 16), (27, 7))
    assert set(np.unique(hard.coverage((27, 7)))) == {0.0, 1.0}


def test_polygons_and_brushes_know_no_grey() -> None:
    for region in (
        Region(polygon=[(2, 2), (20, 3), (9, 15)]),
        Region(brush=[(8, 8)], radius=5),
    ):
        assert np.array_equal(region.coverage((24, 18)), region.rasterize((24, 18)))
