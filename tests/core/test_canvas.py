"""Carrying a Motion to another canvas: there and back, crops, masks and cameras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kinema import CameraPath, Drag, Motion, MotionError, Region, Tracks
from kinema.motion.canvas import fit_box, inner_box, map_point, whole_box
from kinema.testing.strategies import canvases, masks, motions

STILL = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def coordinates(motion: Motion) -> np.ndarray:
    found = [point for drag in motion.drags for point in drag.points]
    found += [point for row in (motion.tracks.points if motion.tracks else ()) for point in row]
    found += [point for region in motion.regions for point in region.polygon]
    camera = motion.camera
    found += [row[2:] for row in (camera.intrinsics if camera else ())]
    found += [row[:2] for row in (camera.intrinsics if camera else ())]
    return np.array(found, dtype=float).reshape(-1, 2)


@given(motions(), canvases())
@settings(max_examples=50, deadline=None)
def test_resizing_there_and_back_is_the_same_motion(motion: Motion, size: tuple[int, int]) -> None:
    there = motion.resized(size)
    assert there.canvas == size
    back = there.resized(motion.canvas)
    assert np.allclose(coordinates(back), coordinates(motion), atol=1e-9 * 96)
    assert (back.fps, back.duration) == (motion.fps, motion.duration)
    if motion.camera:
        assert back.camera is not None
        assert back.camera.world_to_camera == motion.camera.world_to_camera


@given(motions(with_regions=False), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_cropping_there_and_back_is_the_same_motion(motion: Motion, left: int, top: int) -> None:
    larger = (motion.canvas[0] + 40, motion.canvas[1] + 40)
    there = motion.cropped(-left, -top, larger)
    back = there.cropped(left, top, motion.canvas)
    assert np.allclose(coordinates(back), coordinates(motion), atol=1e-9 * 96)


@given(motions(), canvases())
@settings(max_examples=40, deadline=None)
def test_resizing_in_steps_is_resizing_at_once(motion: Motion, size: tuple[int, int]) -> None:
    middle = (motion.canvas[0] * 2, motion.canvas[1] * 3)
    stepped = coordinates(motion.resized(middle).resized(size))
    assert np.allclose(stepped, coordinates(motion.resized(size)), atol=1e-7)


def test_the_edges_of_the_picture_stay_its_edges() -> None:
    motion = Motion(canvas=(10, 20), drags=[[(-0.5, -0.5), (9.5, 19.5), (4.5, 9.5)]])
    assert motion.resized((30, 10)).drags[0].points == ((-0.5, -0.5), (29.5, 9.5), (14.5, 4.5))


@given(canvases(), canvases())
def test_the_fit_box_is_centred_inside_and_has_the_aspect(
    source: tuple[int, int], canvas: tuple[int, int]
) -> None:
    left, top, right, bottom = fit_box(source, canvas)
    assert left >= -1e-9
    assert top >= -1e-9
    assert left + right == pytest.approx(source[0])
    assert top + bottom == pytest.approx(source[1])
    assert (right - left) * canvas[1] == pytest.approx((bottom - top) * canvas[0])
    assert min(left, top) == pytest.approx(0.0, abs=1e-9)
    corner = map_point((left - 0.5, top - 0.5), (left, top, right, bottom), canvas)
    assert corner == pytest.approx((-0.5, -0.5))


def test_a_box_in_a_box() -> None:
    assert inner_box((10, 20, 30, 40), (10, 10), (0, 5, 10, 10)) == (10, 30, 30, 40)
    assert whole_box((3, 4)) == (0, 0, 3, 4)


def test_fitting_drops_the_sides_and_scales_the_rest() -> None:
    motion = Motion(
        canvas=(200, 100),
        drags=[[(100, 50), (120, 50)]],
        tracks=Tracks(points=[[(60, 50)], [(60, 60)]]),
        camera=CameraPath(world_to_camera=[STILL] * 2, intrinsics=[(300, 300, 99.5, 49.5)]),
    )
    fitted = motion.fitted((50, 50))
    assert fitted.drags[0].points == ((24.75, 24.75), (34.75, 24.75))
    assert fitted.tracks is not None
    assert fitted.tracks.points[0] == ((4.75, 24.75),)
    assert fitted.camera is not None
    assert list(fitted.camera.intrinsics) == [(150.0, 150.0, 24.5, 24.5)]


def test_the_same_canvas_is_the_same_motion() -> None:
    motion = Motion(canvas=(200, 100), drags=[[(5, 50), (120, 50)]])
    assert motion.fitted((200, 100)) == motion
    assert motion.resized("200x100") == motion


def test_a_start_that_the_crop_cuts_away_is_named() -> None:
    motion = Motion(canvas=(200, 100), drags=[[(5, 50), (120, 50)]])
    with pytest.raises(
        MotionError, match=r"A drag starts at \(-22.75, 24.75\), outside the canvas"
    ):
        motion.fitted((50, 50))
    with pytest.raises(MotionError, match="outside the canvas of 20x20"):
        motion.cropped(100, 0, (20, 20))


@given(masks((16, 12)), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_masks_grow_by_whole_factors_exactly(mask: NDArray[np.bool_], factor: int) -> None:
    region = Region.from_array(mask, name="grown")
    small = Motion(canvas=(16, 12), regions=[region])
    large = small.resized((16 * factor, 12 * factor)).regions[0]
    expected = np.kron(region.rasterize((16, 12)), np.ones((factor, factor))) > 0
    assert np.array_equal(large.rasterize((16 * factor, 12 * factor)), expected)
    assert large.name == "grown"


def test_masks_are_cropped_and_padded_exactly() -> None:
    mask = np.zeros((12, 16), dtype=bool)
    mask[2:6, 3:9] = True
    motion = Motion(canvas=(16, 12), regions=[Region.from_array(mask)])
    cropped = motion.cropped(2, 1, (8, 8)).regions[0].rasterize((8, 8))
    assert np.array_equal(cropped, mask[1:9, 2:10])
    padded = motion.cropped(-3, -2, (22, 16)).regions[0].rasterize((22, 16))
    assert np.array_equal(padded[2:14, 3:19], mask)
    assert padded.sum() == mask.sum()


def test_a_brush_stays_a_brush_where_the_aspect_stays() -> None:
    motion = Motion(canvas=(20, 20), regions=[Region(brush=[(9.5, 9.5)], radius=4, name="cup")])
    (even,) = motion.resized((40, 40)).regions
    assert even == Region(brush=[(19.5, 19.5)], radius=8, name="cup")
    (stretched,) = motion.resized((40, 20)).regions
    assert stretched.png
    rows, columns = np.nonzero(stretched.rasterize((40, 20)))
    assert np.ptp(columns) == pytest.approx(2 * np.ptp(rows), abs=2)


def test_regions_by_path_are_embedded_when_they_change(tmp_path: object) -> None:
    drag = Drag([(3, 4)], region="a")
    motion = Motion(canvas=(8, 8), drags=[drag], regions=[Region.from_array(np.eye(8), "a")])
    resized = motion.resized((16, 16))
    assert resized.drags[0].region == "a"
    assert resized.regions[0].rasterize((16, 16)).sum() == 4 * 8
