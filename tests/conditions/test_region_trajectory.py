"""What drags and tracks become: blocks of displacement, equal to the published numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema import CameraPath, Drag, InputError, Motion, MotionError, Tracks
from kinema.interfaces import Scene
from kinema_conditions.configs import RegionTrajectoryConfig
from kinema_conditions.region_trajectory import RegionTrajectory

CANVAS = (64, 48)


def signal(motion: Motion, frames: int = 5, **options: Any) -> Tensor:
    condition = RegionTrajectory(RegionTrajectoryConfig(**options))
    return condition.from_motion(motion, Scene(frames=frames)).dense()


def one_drag(*points: tuple[float, float], canvas: tuple[int, int] = CANVAS) -> Motion:
    return Motion(canvas=canvas, drags=[Drag(points)])


def filled(maps: Tensor) -> tuple[list[int], list[int]]:
    """Rows and columns in which anything ever moves."""
    moving = maps.ne(0).any(0).any(0)
    return moving.any(1).nonzero().flatten().tolist(), moving.any(0).nonzero().flatten().tolist()


def test_drags_equal_the_published_numbers(drags_reference: dict[str, Any]) -> None:
    canvas = (drags_reference["width"], drags_reference["height"])
    motion = Motion(canvas=canvas, drags=[Drag(track) for track in drags_reference["tracks"]])
    made = signal(motion, drags_reference["frames"])
    expected = drags_reference["out.displacement"].permute(0, 3, 1, 2)
    assert torch.equal(made, expected)


@pytest.mark.parametrize(
    ("k", "rows", "columns"),
    [
        (8, range(16, 24), range(26, 34)),
        (7, range(17, 24), range(27, 34)),
        (1, range(20, 21), range(30, 31)),
    ],
)
def test_the_block_lies_around_the_cut_start(k: int, rows: range, columns: range) -> None:
    made = signal(one_drag((30.9, 20.9), (40, 25)), k=k)
    assert filled(made) == (list(rows), list(columns))


@pytest.mark.parametrize("start", [(0, 0), (-0.4, -0.4), (63.4, 47.4), (2, 47), (63, 1)])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_a_drag_at_any_border_keeps_what_is_inside(start: tuple[float, float], k: int) -> None:
    made = signal(one_drag(start, (30, 20)), k=k)
    rows, columns = filled(made)
    x, y = int(start[0]), int(start[1])
    assert rows == [r for r in range(y - k // 2, y - k // 2 + k) if 0 <= r < CANVAS[1]]
    assert columns == [c for c in range(x - k // 2, x - k // 2 + k) if 0 <= c < CANVAS[0]]
    assert made[-1, :, rows[0], columns[0]].tolist() == pytest.approx(
        [30 - start[0], 20 - start[1]], abs=1e-5
    )


def test_rounding_does_not_move_the_block_to_the_pixel_before() -> None:
    exact, rounded = one_drag((30.0, 20), (40, 20)), one_drag((30 - 1e-13, 20), (40, 20))
    assert filled(signal(exact)) == filled(signal(rounded))


def test_a_still_anchor_drifts_by_one_pixel() -> None:
    made = signal(one_drag((30, 20)), frames=5)
    assert made[:, 0, 20, 30].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert torch.equal(made[:, 0], made[:, 1])


def test_the_later_drag_wins_where_blocks_overlap() -> None:
    motion = Motion(canvas=CANVAS, drags=[Drag([(20, 20), (30, 20)]), Drag([(24, 20), (24, 30)])])
    made = signal(motion)
    assert made[-1, :, 20, 20].tolist() == [0, 10]
    assert made[-1, :, 20, 19].tolist() == [10, 0]


def test_interpolation_is_shape_preserving_or_linear() -> None:
    motion = one_drag((10, 10), (12, 10), (40, 10))
    curved, straight = signal(motion), signal(motion, interpolation="linear")
    assert straight[:, 0, 10, 10].tolist() == [0, 1, 2, 16, 30]
    assert curved[2, 0, 10, 10] == 2
    assert not torch.allclose(curved, straight)


def test_tracks_act_like_drags_and_lie_below() -> None:
    tracks = Tracks(
        points=[[(20, 20), (40, 30)], [(22, 20), (0, 0)], [(24, 20), (40, 36)]],
        visible=[[True, True], [True, False], [True, True]],
    )
    made = signal(Motion(canvas=CANVAS, tracks=tracks), frames=3)
    assert made[:, 0, 20, 20].tolist() == [0, 2, 4]
    # While a track is hidden, it stays where it was last seen.
    assert made[:, 1, 30, 40].tolist() == [0, 0, 6]
    both = Motion(canvas=CANVAS, tracks=tracks, drags=[Drag([(20, 20), (20, 40)])])
    assert signal(both, frames=3)[-1, :, 20, 20].tolist() == [0, 20]


def test_no_motion_gives_the_zero_signal() -> None:
    assert not signal(Motion(canvas=CANVAS)).any()


def test_a_camera_path_is_not_dropped(wall: Any) -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath.parse("truck:0.1"))
    condition = RegionTrajectory(RegionTrajectoryConfig())
    assert condition.from_motion(motion, wall(4, CANVAS)).dense().any()
    with pytest.raises(MotionError, match="needs the photo's depth, and the scene has none"):
        condition.from_motion(motion, Scene(frames=4))


def test_a_photo_of_another_size_is_refused() -> None:
    scene = Scene(frames=4, image=torch.zeros(3, 48, 60))
    with pytest.raises(MotionError, match=r"\(3, 48, 60\) is not on the motion's canvas of 64x48"):
        RegionTrajectory(RegionTrajectoryConfig()).from_motion(Motion(canvas=CANVAS), scene)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be at least 1 pixel, got 0"),
        ({"drags": -1}, r"drags must be 0 \(random regions\) or more; got -1"),
        ({"r_min": 1.5}, r"r_min must be within \[0, 1\], got 1.5"),
        ({"interpolation": "cubic"}, "Unknown interpolation 'cubic'. Choose one of: pchip, linear"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RegionTrajectoryConfig(**options)


# Starts on a grid of exact binary fractions: moving them by whole pixels must not round.
inside = st.tuples(st.integers(96, 320), st.integers(96, 240)).map(lambda p: (p[0] / 8, p[1] / 8))
anywhere = st.tuples(st.floats(-50, 120), st.floats(-50, 120))


@settings(max_examples=40, deadline=None)
@given(
    start=inside, rest=st.lists(anywhere, max_size=3), dx=st.integers(-8, 8), dy=st.integers(-8, 8)
)
def test_translating_a_motion_translates_the_signal(
    start: tuple[float, float], rest: list[tuple[float, float]], dx: int, dy: int
) -> None:
    points = [start, *rest]
    moved = [(x + dx, y + dy) for x, y in points]
    shifted = signal(one_drag(*points)).roll((dy, dx), dims=(-2, -1))
    assert torch.allclose(signal(one_drag(*moved)), shifted, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(start=inside, rest=st.lists(anywhere, max_size=3), frames=st.integers(2, 40))
def test_resampling_the_frames_keeps_the_ends(
    start: tuple[float, float], rest: list[tuple[float, float]], frames: int
) -> None:
    motion = one_drag(start, *rest)
    few, many = signal(motion, 2), signal(motion, frames)
    assert not many[0].any()
    assert torch.allclose(few[-1], many[-1], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(start=inside, end=anywhere, left=st.integers(0, 12), top=st.integers(0, 12))
def test_cropping_and_the_signal_commute(
    start: tuple[float, float], end: tuple[float, float], left: int, top: int
) -> None:
    motion = one_drag(start, end)
    box = (CANVAS[0] - left - 4, CANVAS[1] - top - 2)
    cropped_after = signal(motion)[..., top : top + box[1], left : left + box[0]]
    assert torch.allclose(signal(motion.cropped(left, top, box)), cropped_after, atol=1e-4)
