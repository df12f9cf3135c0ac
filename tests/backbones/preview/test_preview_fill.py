"""What appears where something has gone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kinema import Drag, Motion, Region
from kinema_backbones.preview.fill import fill
from kinema_backbones.preview.pyramid import push_pull

Frames = NDArray[np.uint8]
Render = Callable[..., Frames]


def texture(name: str) -> NDArray[np.float32]:
    grey = getattr(skimage.data, name)()[:200, :300].astype(np.float32) / 255
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("name", ["grass", "gravel", "brick"])
def test_a_filled_hole_looks_like_what_is_around_it(name: str) -> None:
    picture = texture(name)
    hole = np.zeros(picture.shape[:2], bool)
    hole[60:130, 100:190] = True
    spoilt = picture.copy()
    spoilt[hole] = (1.0, 0.0, 1.0)
    filled = fill(spoilt, hole, ~hole)
    assert np.array_equal(filled[~hole], picture[~hole])
    assert np.isfinite(filled).all()
    inside, outside = filled[hole], picture[~hole]
    assert abs(inside.mean() - outside.mean()) < 0.08
    # A smear would have lost the contrast, and the fine detail even more.
    assert 0.5 * outside.std() < inside.std() < 1.5 * outside.std()
    detail = np.abs(np.diff(filled, axis=1))[60:130, 100:189].mean()
    assert detail > 0.5 * np.abs(np.diff(picture, axis=1)).mean()
    # Grey stays grey: no colour of the spoilt pixels is left.
    assert np.ptp(inside, axis=1).max() < 1e-4


def test_a_line_behind_a_hole_goes_on() -> None:
    picture = np.full((120, 160, 3), 0.3, np.float32)
    picture[:, 76:84] = 0.9
    hole = np.zeros(picture.shape[:2], bool)
    hole[45:75, 60:100] = True
    filled = fill(picture * ~hole[..., None], hole, ~hole)
    assert filled[45:75, 78:82].mean() > 0.8
    assert filled[45:75, 62:72].mean() < 0.4


def test_fill_copies_only_from_its_sources() -> None:
    picture = np.full((96, 128, 3), 0.2, np.float32)
    picture[:, 70:] = 0.8
    hole = np.zeros(picture.shape[:2], bool)
    hole[30:60, 10:40] = True
    sources = np.zeros_like(hole)
    sources[:, :60] = True
    assert fill(picture, hole, sources)[hole].max() < 0.25


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (6, 9), (8, 200), (40, 7)])
def test_fill_takes_pictures_smaller_than_a_patch(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 0.5, np.float32)
    hole = np.zeros(shape, bool)
    hole[shape[0] // 2, shape[1] // 2] = True
    filled = fill(np.where(hole[..., None], 0.0, picture).astype(np.float32), hole, ~hole)
    assert np.allclose(filled[~hole], 0.5)
    if not hole.all():
        assert np.allclose(filled, 0.5, atol=1e-3)


def test_a_hole_without_any_source_stays() -> None:
    picture = np.random.default_rng(0).random((20, 20, 3)).astype(np.float32)
    everything = np.ones((20, 20), bool)
    assert np.array_equal(fill(picture, everything, everything), picture)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**16))
def test_smooth_guesses_stay_between_the_known_values(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.random((height, width, 2)).astype(np.float32)
    known = random.random((height, width)) < 0.3
    known[random.integers(height), random.integers(width)] = True
    full = push_pull(values, known)
    assert np.array_equal(full[known], values[known])
    for channel in range(2):
        low, high = values[known][:, channel].min(), values[known][:, channel].max()
        assert (full[..., channel] >= low - 1e-5).all()
        assert (full[..., channel] <= high + 1e-5).all()


@pytest.mark.all_packages
def test_the_place_that_a_region_leaves_shows_no_trace_of_it(render: Render) -> None:
    grass = (texture("grass") * 255).astype(np.uint8)
    picture = grass.copy()
    picture[60:120, 60:120] = (250, 40, 40)
    region = Region(polygon=[(58, 58), (121, 58), (121, 121), (58, 121)])
    motion = Motion(canvas=(300, 200), drags=[Drag([(90, 90), (230, 100)])], regions=[region])
    last = render(picture, motion, 5)[-1]
    left = last[58:122, 58:122].astype(int)
    assert (left[..., 0] - left[..., 1]).max() < 40
    assert abs(left.mean() - grass.mean()) < 20
    assert left.std() > 0.5 * grass.std()


@pytest.mark.all_packages
def test_a_mask_that_is_too_tight_leaves_no_colour_in_the_fill(render: Render) -> None:
    picture = (texture("grass") * 255).astype(np.uint8)
    picture[60:120, 60:120] = (250, 40, 40)
    region = Region(polygon=[(62, 62), (117, 62), (117, 117), (62, 117)])
    motion = Motion(canvas=(300, 200), drags=[Drag([(90, 90), (230, 100)])], regions=[region])
    left = render(picture, motion, 5)[-1][66:114, 66:114].astype(int)
    assert (left[..., 0] - left[..., 1]).max() < 60


@pytest.mark.all_packages
def test_a_brush_that_is_too_wide_moves_no_rim_along(render: Render) -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[...] = np.linspace(40, 160, 200, dtype=np.uint8)[None, :, None]
    picture[40:60, 40:60] = (220, 200, 40)
    region = Region(brush=[(50, 50)], radius=26)
    motion = Motion(canvas=(200, 100), drags=[Drag([(50, 50), (150, 50)])], regions=[region])
    last = render(picture, motion, 3)[-1].astype(int)
    assert np.abs(last[45:55, 145:155] - (220, 200, 40)).max() < 6
    # The rim was darker by 60 where it came from; half way out nearly nothing of that may be left.
    assert np.abs(last[32, 140:160] - picture[32, 140:160].astype(int)).max() < 30
    assert np.abs(last[27, 140:160] - picture[27, 140:160].astype(int)).max() < 15
