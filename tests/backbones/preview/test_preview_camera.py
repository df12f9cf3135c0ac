"""What a preview shows of camera paths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinema import CameraPath, Drag, Motion, Region

# The preview reads the condition layered-motion, which a sister package offers.
pytestmark = pytest.mark.all_packages

Frames = NDArray[np.uint8]
Photo = Callable[..., Frames]
Render = Callable[..., Frames]
Locate = Callable[..., NDArray[np.float64]]

CANVAS = (512, 320)
FOCAL = 582.69
MIDDLE = np.array([255.5, 159.5])


def path(move: str, **parts: Any) -> Motion:
    return Motion(canvas=CANVAS, camera=CameraPath.parse(move), **parts)


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    """Where a wall's pixels go: scaled and turned about the middle, then shifted; (2, 3)."""
    matrix = np.asarray(cv2.getRotationMatrix2D(tuple(MIDDLE), degrees, scale), np.float64)
    matrix[:, 2] += np.array(shift)
    return matrix


# A wall two metres away; every move of a camera that looks straight at it is a similarity.
WALL: dict[str, Callable[[float], NDArray[np.float64]]] = {
    "zoom:1.4": lambda t: similarity(1.4**t, 0, (0, 0)),
    "zoom:0.8": lambda t: similarity(0.8**t, 0, (0, 0)),
    "truck:0.05": lambda t: similarity(1, 0, (-0.05 * t * FOCAL, 0)),
    "pedestal:0.05": lambda t: similarity(1, 0, (0, 0.05 * t * FOCAL)),
    "dolly:0.3": lambda t: similarity(1 / (1 - 0.3 * t), 0, (0, 0)),
    "roll:12": lambda t: similarity(1, 12 * t, (0, 0)),
}


@pytest.mark.parametrize("move", WALL)
def test_a_wall_moves_as_its_closed_form_says(photo: Photo, render: Render, move: str) -> None:
    picture = photo("brick")
    frames = render(picture, path(move), 6)
    assert np.array_equal(frames[0], picture)
    for index in range(1, 6):
        matrix = WALL[move](index / 5)
        expected = cv2.warpAffine(picture, matrix, CANVAS, flags=cv2.INTER_CUBIC)
        seen = cv2.warpAffine(np.ones((320, 512), np.uint8), matrix, CANVAS)
        inner = cv2.erode(seen, np.ones((5, 5)), borderValue=0) > 0
        assert inner.mean() > 0.5
        wrong = np.abs(frames[index].astype(int) - expected)[inner]
        assert wrong.mean() < 1.0
        assert np.percentile(wrong, 99.9) < 12


@pytest.mark.parametrize("move", ["zoom:2.5", "dolly:0.55"])
def test_magnification_has_no_cracks(photo: Photo, render: Render, move: str) -> None:
    picture = photo("coffee")
    last = render(picture, path(move), 3)[-1]
    scale = 2.5 if "zoom" in move else 1 / 0.45
    expected = cv2.warpAffine(picture, similarity(scale, 0, (0, 0)), CANVAS, flags=cv2.INTER_CUBIC)
    assert np.abs(last.astype(int) - expected).mean() < 1.0


@pytest.mark.parametrize(
    "move", ["zoom:0.6", "truck:0.2", "pan:8+tilt:-6", "dolly:-0.4", "roll:30"]
)
def test_what_comes_into_view_continues_the_photo(photo: Photo, render: Render, move: str) -> None:
    # Nothing in this photo is darker than 100, so anything black would be a gap.
    picture = photo("chelsea") // 2 + 100
    last = render(picture, path(move), 3)[-1].astype(int)
    assert last.min() > 85
    # No streaks: along each side there is still something to see.
    for edge in (last[:, :12], last[:, -12:], last[:12], last[-12:]):
        assert edge.std(axis=(0, 1)).mean() > 2


def test_a_tilted_plane_moves_as_its_projection_says(photo: Photo, render: Render) -> None:
    picture = photo("gravel")
    x, y = np.meshgrid(np.arange(512.0), np.arange(320.0))
    near = 0.35 + 0.2 * (y - 160) / 320 + 0.1 * (x - 256) / 512
    depth = 1.0 / near
    frames = render(picture, path("truck:0.08"), 5, depth=depth)
    shift = 0.08 * float(np.median(depth)) * FOCAL
    for index in range(1, 5):
        step = shift * index / 4
        # u = x - step / depth(x, y) is linear in x, so its inverse is too.
        slope = 0.1 / 512 * step
        source = (x + step * (near - 0.1 / 512 * x)) / (1 - slope)
        expected = cv2.remap(
            picture, source.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC
        )
        inner = (source > 2) & (source < 509)
        wrong = np.abs(frames[index].astype(int) - expected)[inner]
        assert wrong.mean() < 1.0


def test_near_things_hide_far_ones_and_uncover_the_background(render: Render) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(60, 200, (160, 240, 3), dtype=np.uint8)
    picture = np.asarray(cv2.GaussianBlur(noise, (3, 3), 0), np.uint8)
    picture[..., 0] //= 4
    picture[50:110, 90:150] = (250, 20, 20)
    depth = np.full((160, 240), 4.0)
    depth[50:110, 90:150] = 1.0
    motion = Motion(canvas=(240, 160), camera=CameraPath.parse("truck:0.03"))
    focal = FOCAL * 240 / 512
    far, close = 0.03 * 4.0 * focal / 4.0, 0.03 * 4.0 * focal / 1.0
    last = render(picture, motion, 5, depth=depth)[-1].astype(int)
    left, right = math.ceil(90 - close), math.floor(150 - close)
    assert np.abs(last[55:105, left + 2 : right - 2] - (250, 20, 20)).max() < 8
    # What the square uncovers at its right is background, not stretched red.
    uncovered = last[55:105, right + 3 : 150 - round(far)]
    assert uncovered.shape[1] > 20
    assert np.percentile(uncovered[..., 0], 95) < 100
    assert uncovered[..., 1].mean() > 80
    background = last[5:40, 20:220].astype(float)
    moved = cv2.warpAffine(picture, np.array([[1, 0, -far], [0, 1, 0]]), (240, 160))[5:40, 20:220]
    assert np.abs(background - moved).mean() < 3


def test_drags_move_with_respect_to_the_camera(
    photo: Photo, render: Render, locate: Locate
) -> None:
    drag = Drag([(325, 225), (380, 210)])
    region = Region(brush=[(325, 225), (345, 200)], radius=40)
    frames = render(photo("coffee"), path("truck:0.05", drags=[drag], regions=[region]))
    seen = drag.path(16) + np.linspace(0, 1, 16)[:, None] * np.array([-0.05 * FOCAL, 0.0])
    found = locate(frames, (325, 225), seen)
    assert np.hypot(*(found - seen).T).max() < 1.0
    board = np.array([450.0, 130.0]) + (seen - drag.path(16))
    assert np.hypot(*(locate(frames, (450, 130), board) - board).T).max() < 1.0


def test_a_drag_without_region_composes_with_a_zoom(
    photo: Photo, render: Render, locate: Locate
) -> None:
    drag = Drag([(300, 200), (330, 190)])
    frames = render(photo("coffee"), path("zoom:1.15", drags=[drag]))
    scale = 1.15 ** np.linspace(0, 1, 16)[:, None]
    seen = MIDDLE + scale * (drag.path(16) - MIDDLE)
    found = locate(frames, (300, 200), seen, half=10)
    assert np.hypot(*(found - seen).T).max() < 1.0


def test_a_region_that_only_the_camera_moves_leaves_no_seam(photo: Photo, render: Render) -> None:
    picture = photo("coffee")
    region = Region(brush=[(230, 150)], radius=80)
    plain = render(picture, path("zoom:1.2"), 4)
    brushed = render(picture, path("zoom:1.2", regions=[region]), 4)
    assert np.abs(plain.astype(int) - brushed).max() <= 1


def test_tears_of_the_depth_have_soft_edges_and_no_specks(render: Render) -> None:
    """A bright disc in front of a plain wall, whose depth is blurred as estimates are."""
    y, x = np.mgrid[:320, :512].astype(np.float32)
    away = np.hypot(x - 256, y - 160)
    share = np.clip(60.5 - away, 0.0, 1.0)[..., None]
    picture = np.uint8(share * np.array([250, 200, 40]) + (1 - share) * np.array([40, 60, 90]))
    depth = cv2.GaussianBlur(np.where(away < 60, 1.5, 5.0).astype(np.float32), (0, 0), 0.8)
    last = render(picture, path("truck:0.04"), 4, depth)[-1].astype(np.float32)
    way = np.array([210.0, 140.0, -50.0])
    along = (last - np.array([40.0, 60.0, 90.0])) @ way / (way @ way)
    # Every colour is a mixture of the two, in a band of two pixels around one disc.
    rest = last - np.array([40.0, 60.0, 90.0]) - along[..., None] * way
    assert np.abs(rest).max() < 18
    assert along.min() > -0.1
    assert along.max() < 1.1
    inside = (along > 0.5).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(inside)
    assert count == 2
    assert abs(int(stats[1, cv2.CC_STAT_AREA]) - math.pi * 60**2) < 0.03 * math.pi * 60**2
    assert cv2.connectedComponents(1 - inside)[0] == 2
    mixed = (along > 0.1) & (along < 0.9)
    band = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    assert mixed.sum() > 200
    assert not (mixed & ~band).any()


def test_beyond_a_side_the_texture_goes_on_from_the_same_height(render: Render) -> None:
    """Stripes across the photo are stripes beyond it."""
    y = np.arange(320)[:, None]
    stripes = np.where(y // 20 % 2, 200, 60).astype(np.uint8).repeat(512, 1)
    noise = np.random.default_rng(0).integers(0, 30, (320, 512), dtype=np.uint8)
    picture = np.repeat((stripes + noise)[..., None], 3, axis=2)
    last = render(picture, path("truck:0.2"), 3, 2.0)[-1].astype(np.float32)
    beyond = last[:, -55:, 0]
    expected = stripes[:, :1].astype(np.float32) + 15
    inner = np.ravel(np.minimum(y % 20, 19 - y % 20) > 2)
    assert np.abs(beyond.mean(1) - expected[:, 0])[inner].max() < 25
    assert beyond[inner].std(1).mean() > 0.4 * 8.6
