"""What a file says of hidden points counts for nothing: alike in what is seen is alike."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kinema import Motion, MotionError, Tracks
from kinema.check import check_motion
from kinema.formats import read_motion
from kinema.motion.region import Region

CANVAS = (96, 64)
ANYTHING = (0.0, -1e6, float("nan"), float("inf"), 17.25)

Points = NDArray[np.float64]
Flags = NDArray[np.bool_]

examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write_wan_move(folder: Path, points: Points, visible: Flags) -> Path:
    np.save(folder / "a_tracks.npy", points.astype(np.float32))
    np.save(folder / "a_visibility.npy", visible)
    return folder / "a_tracks.npy"


def write_ati(folder: Path, points: Points, visible: Flags) -> Path:
    rows = np.concatenate([points, visible[..., None]], axis=-1).transpose(1, 0, 2)[:, :, None]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, array=(rows * 8).astype(np.float32))
    torch.save(buffer.getvalue(), folder / "a.pth")
    return folder / "a.pth"


def write_comfyui(folder: Path, points: Points, visible: Flags) -> Path:
    text = json.dumps({"track_path": points.tolist(), "track_visibility": visible.tolist()})
    (folder / "a.json").write_text(text)
    return folder / "a.json"


WRITERS: dict[str, tuple[Callable[[Path, Points, Flags], Path], int]] = {
    "wan-move": (write_wan_move, 8),
    "ati": (write_ati, 121),
    "comfyui-tracks": (write_comfyui, 8),
}


@st.composite
def seen(draw: st.DrawFn, frames: int) -> tuple[Points, Flags]:
    """Whole numbers on the canvas, and which of them are seen."""
    count = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = rng.integers(0, CANVAS, (frames, count, 2)).astype(np.float64)
    return points, rng.random((frames, count)) < draw(st.sampled_from((0.1, 0.5, 0.9)))


def otherwise(points: Points, visible: Flags, value: float) -> Points:
    return np.where(visible[..., None], points, value)


@pytest.mark.parametrize("form", WRITERS)
@given(st.data(), st.sampled_from(ANYTHING))
@examples
def test_files_that_are_alike_in_what_is_seen_are_alike(
    tmp_path: Path, form: str, data: Any, value: float
) -> None:
    write, frames = WRITERS[form]
    points, visible = data.draw(seen(frames))
    one = read_motion(write(tmp_path, points, visible), canvas=CANVAS)
    other = read_motion(write(tmp_path, otherwise(points, visible, value), visible), canvas=CANVAS)
    assert one == other
    assert one.tracks is not None
    places, flags = one.tracks.arrays()
    assert np.array_equal(flags, visible)
    assert np.array_equal(places[visible], points[visible])
    for size in ((48, 32), (64, 64)):
        try:
            fitted = one.fitted(size)
        except MotionError:
            continue  # one that is seen starts in what is cut off
        assert fitted == other.fitted(size)


@given(seen(9), st.integers(2, 20), st.sampled_from(ANYTHING))
@examples
def test_resampled_tracks_know_no_hidden_place(
    given_points: tuple[Points, Flags], frames: int, value: float
) -> None:
    points, visible = given_points
    one = Tracks(points=points.tolist(), visible=visible.tolist())
    other = Tracks(points=otherwise(points, visible, value).tolist(), visible=visible.tolist())
    for a, b in zip(one.arrays(frames), other.arrays(frames), strict=True):
        assert np.array_equal(a, b)
        assert np.isfinite(a).all()


def test_a_hidden_point_is_held_until_it_is_seen_again() -> None:
    nan = (float("nan"), float("nan"))
    tracks = Tracks(
        points=[
            [(1, 1), nan, (5, 5), nan],
            [(2, 1), (4, 0), nan, nan],
            [nan, (6, 0), nan, nan],
            [nan, nan, (8, 11), nan],
        ],
        visible=[
            [True, False, True, False],
            [True, True, False, False],
            [False, True, False, False],
            [False, False, True, False],
        ],
    )
    places, _ = tracks.arrays()
    assert places[:, 0].tolist() == [[1, 1], [2, 1], [2, 1], [2, 1]]
    assert places[:, 1].tolist() == [[4, 0], [4, 0], [6, 0], [6, 0]]
    assert places[:, 2].tolist() == [[5, 5], [5, 5], [5, 5], [8, 11]]
    assert places[:, 3].tolist() == [[0, 0]] * 4
    assert tracks.seen == (True, False, True, False)


def test_a_hidden_point_is_held_at_every_time() -> None:
    """Resampled, it does not set out for where it is seen again before it is."""
    path = [(0.0, 0.0), (4.0, 2.0), (9.0, 9.0), (16.0, 8.0)]
    tracks = Tracks(points=[[p] for p in path], visible=[[True], [True], [False], [True]])
    places, seen = tracks.arrays(13)
    going = [[t, t / 2] for t in range(4)]
    assert places[:, 0].tolist() == pytest.approx(np.array([*going, *[[4, 2]] * 8, [16, 8]]))
    assert seen[:, 0].tolist() == [*[True] * 5, *[False] * 7, True]


def test_a_visible_point_must_be_a_number() -> None:
    with pytest.raises(MotionError, match=r"Point 0 of track frame 1 is not finite: \(nan, 1\.0\)"):
        Tracks(points=[[(1, 1)], [(float("nan"), 1)]], visible=[[True], [True]])


def test_points_that_are_never_seen_are_told_and_may_lie_anywhere() -> None:
    flags = [[True, False, False], [True, True, False]]
    tracks = Tracks(points=[[(5, 5), (-90, 2), (900, 900)]] * 2, visible=flags)
    motion = Motion(canvas=CANVAS, tracks=tracks)
    told = "\n".join(str(finding) for finding in check_motion(motion))
    assert "1 track hidden throughout, and so without any motion: track 2" in told
    assert "1 track hidden in frame 0, so that nobody knows which point of the photo moves" in told
    assert "error" not in told


def test_a_hidden_start_holds_no_region() -> None:
    region = Region(polygon=[(0, 0), (20, 0), (20, 20), (0, 20)])
    tracks = Tracks(points=[[(5, 5), (6, 6)]] * 2, visible=[[True, False], [True, True]])
    motion = Motion(canvas=CANVAS, tracks=tracks, regions=[region])
    assert motion.moved_layers(motion.layers()) == ([], [1, 0])
