"""Drags and time: where a point is in each frame, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from kinema import Drag, MotionError
from kinema.errors import suggestion
from kinema.motion.pchip import pchip
from kinema.motion.timing import EASINGS, check_choice, frame_times
from kinema.testing.strategies import drags

CANVAS = (64, 48)


@given(drags(CANVAS), st.integers(2, 40), st.sampled_from(["pchip", "linear"]))
@settings(max_examples=80, deadline=None)
def test_a_path_starts_and_ends_on_its_drag(drag: Drag, frames: int, way: Any) -> None:
    path = drag.path(frames, way)
    assert path.shape == (frames, 2)
    assert np.allclose(path[0], drag.points[0], atol=1e-9)
    assert np.allclose(path[-1], drag.points[-1], atol=1e-9)


@given(drags(CANVAS), st.integers(2, 12), st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_a_finer_sampling_passes_the_same_points(drag: Drag, frames: int, factor: int) -> None:
    fine = drag.path((frames - 1) * factor + 1)
    assert np.allclose(fine[::factor], drag.path(frames), atol=1e-9)


@given(drags(CANVAS), st.integers(2, 40))
@settings(max_examples=50, deadline=None)
def test_the_cubic_never_overshoots_its_points(drag: Drag, frames: int) -> None:
    path, points = drag.path(frames), np.array(drag.points)
    assert (path >= points.min(axis=0) - 1e-9).all()
    assert (path <= points.max(axis=0) + 1e-9).all()


@given(
    st.lists(st.floats(-300, 1500, allow_subnormal=False), min_size=4, max_size=18),
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
    st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_the_cubic_is_the_one_of_scipy(numbers: list[float], times: list[float], seed: int) -> None:
    values = np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)
    knots = np.cumsum(np.random.default_rng(seed).uniform(0.01, 1, len(values)))
    at = knots[0] + (knots[-1] - knots[0]) * np.array([0.0, *sorted(times), 1.0])
    at = at.clip(knots[0], knots[-1])
    assert np.array_equal(pchip(knots, values, at), PchipInterpolator(knots, values)(at))


def test_evenly_spread_points_are_hit_by_as_many_frames() -> None:
    points = [(0, 0), (10, 3), (7, 20), (7, 40)]
    assert np.allclose(Drag(points).path(4), points)


def test_times_say_when_a_point_is_reached_and_the_ends_rest() -> None:
    drag = Drag([(0, 0), (10, 0), (20, 0)], times=(0.25, 0.5, 0.75))
    path = drag.path(9, "linear")[:, 0]
    assert path.tolist() == [0, 0, 0, 5, 10, 15, 20, 20, 20]


@pytest.mark.parametrize(
    ("easing", "middle"),
    [("linear", 5.0), ("ease-in", 2.5), ("ease-out", 7.5), ("ease-in-out", 5.0)],
)
def test_easing_warps_the_clip(easing: Any, middle: float) -> None:
    path = Drag([(0, 0), (10, 0)], easing=easing).path(3, "linear")
    assert path[:, 0].tolist() == [0.0, middle, 10.0]


@given(st.sampled_from(list(EASINGS)), st.floats(0, 1), st.floats(0, 1))
def test_easings_run_from_0_to_1_and_never_back(name: str, a: float, b: float) -> None:
    ease = EASINGS[name]
    assert (ease(0.0), ease(1.0)) == (0.0, 1.0)
    assert ease(min(a, b)) <= ease(max(a, b)) + 1e-12


def test_an_anchor_stays() -> None:
    drag = Drag([(3, 4)])
    assert drag.is_anchor
    assert drag.path(5).tolist() == [[3.0, 4.0]] * 5
    assert not Drag([(3, 4), (3, 4)]).is_anchor


def test_frame_times_include_both_ends() -> None:
    assert frame_times(3) == [0.0, 0.5, 1.0]
    with pytest.raises(MotionError, match="A clip needs at least 2 frames, got 1"):
        frame_times(1)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([],), {}, "A drag needs at least one"),
        (([(1, 2, 3)],), {}, r"Point 0 of a drag must be \(x, y\), got \(1, 2, 3\)"),
        (([(1, 2), 5],), {}, r"Point 1 of a drag must be \(x, y\), got 5"),
        (([(1, float("nan"))],), {}, r"Point 0 of a drag is not finite: \(1.0, nan\)"),
        (([(1, 2), (3, 4)],), {"times": (0.0,)}, "A drag has 2 points but 1 times; give one each"),
        (([(1, 2), (3, 4)],), {"times": (0.5, 0.5)}, "must increase strictly within"),
        (([(1, 2), (3, 4)],), {"times": (0.0, 1e-9)}, "by 1e-06 or more, got"),
        (([(1, 2), (3, 4)],), {"times": (0.5, 1.2)}, "must increase strictly within"),
        (([(1, 2), (3, 4)],), {"times": (0.0, float("nan"))}, "must increase strictly"),
        (
            ([(1, 2)],),
            {"easing": "ease-inn"},
            "Unknown easing 'ease-inn'. Did you mean 'ease-in'\\? Choose one of: linear, ease-in",
        ),
    ],
)
def test_wrong_drags_are_named(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        Drag(*arguments, **options)


def test_wrong_sampling_is_named() -> None:
    with pytest.raises(MotionError, match="at least 2 frames, got 0"):
        Drag([(1, 2)]).path(0)
    with pytest.raises(MotionError, match=r"Unknown interpolation 'cubic'. .*pchip, linear"):
        Drag([(1, 2)]).path(4, "cubic")  # type: ignore[arg-type]


def test_choices_and_suggestions() -> None:
    assert suggestion("oribt", ["orbit", "pan"]) == " Did you mean 'orbit'?"
    assert suggestion("xyz", ["orbit", "pan"]) == ""
    check_choice("move", "pan", ["orbit", "pan"])
    with pytest.raises(MotionError, match=r"Unknown move 7. Choose one of: orbit, pan."):
        check_choice("move", 7, ["orbit", "pan"])


def test_points_a_denormal_apart_move_without_a_warning() -> None:
    path = Drag([(12, 12), (0, 0), (0, 2.225e-313)]).path(4)
    assert np.allclose(path[:, 0], [12, 16 / 9, 0, 0], atol=1e-9)
    assert np.allclose(path[2:, 1], 0)
