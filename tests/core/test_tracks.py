"""Tracks: shapes, visibility and resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema import MotionError, Tracks
from kinema.testing.strategies import tracks

CANVAS = (64, 48)


@given(tracks(CANVAS), st.integers(2, 30))
@settings(max_examples=60, deadline=None)
def test_resampling_keeps_the_ends_and_the_shape(given_tracks: Tracks, frames: int) -> None:
    points, visible = given_tracks.arrays()
    moved, seen = given_tracks.arrays(frames)
    assert moved.shape == (frames, points.shape[1], 2)
    assert seen.shape == (frames, points.shape[1])
    for end in (0, -1):
        assert np.allclose(moved[end], points[end], atol=1e-9)
        assert np.array_equal(seen[end], visible[end])


@given(tracks(CANVAS), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_a_finer_sampling_holds_the_given_frames(given_tracks: Tracks, factor: int) -> None:
    points, visible = given_tracks.arrays()
    moved, seen = given_tracks.arrays((len(points) - 1) * factor + 1)
    assert np.allclose(moved[::factor], points, atol=1e-9)
    assert np.array_equal(seen[::factor], visible)


def test_between_frames_a_point_is_visible_where_both_neighbours_are() -> None:
    given_tracks = Tracks(points=[[(0, 0)], [(4, 2)], [(8, 4)]], visible=[[True], [True], [False]])
    moved, seen = given_tracks.arrays(5)
    assert moved[:, 0].tolist() == [[0, 0], [2, 1], [4, 2], [4, 2], [4, 2]]
    assert seen[:, 0].tolist() == [True, True, True, False, False]


def test_without_flags_all_is_visible() -> None:
    points, visible = Tracks(points=np.ones((3, 2, 2))).arrays()
    assert points.shape == (3, 2, 2)
    assert visible.all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": []}, "at least 2 frames .* got 0 frames"),
        ({"points": [[(1, 2)]]}, r"got 1 frames with \[1\] points"),
        ({"points": [[(1, 2)], []]}, r"got 2 frames with \[0, 1\] points"),
        ({"points": [[], []]}, r"got 2 frames with \[0\] points"),
        (
            {"points": [[(1, 2)], [(1, float("nan"))]]},
            "Point 0 of track frame 1 is not finite",
        ),
        ({"points": [[(1, 2)], [(1,)]]}, r"Point 0 of track frame 1 must be \(x, y\), got \(1,\)"),
        (
            {"points": [[(1, 2)], [(1, 2)]], "visible": [[True]]},
            r"visibility has 1 frames of \[1\] points, the points have 2 frames of \[1\]",
        ),
        (
            {"points": [[(1, 2)], [(1, 2)]], "visible": [[True], [True, False]]},
            r"visibility has 2 frames of \[1, 2\] points",
        ),
    ],
)
def test_wrong_tracks_are_named(options: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Tracks(**options)


def test_one_frame_is_no_clip() -> None:
    with pytest.raises(MotionError, match="at least 2 frames, got 1"):
        Tracks(points=np.ones((3, 2, 2))).arrays(1)
