"""Camera paths: moves, poses and intrinsics, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema import CAMERA_MOVES, CameraMove, CameraPath, MotionError
from kinema.motion.camera import rigid_fault
from kinema.testing.strategies import camera_moves, poses

STILL = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0))


def scaled(pose: Any, factor: float) -> Any:
    return tuple((row[0] * factor, *row[1:]) for row in pose)


@given(poses())
@settings(max_examples=60, deadline=None)
def test_rotations_are_rigid_and_broken_ones_are_not(pose: Any) -> None:
    assert rigid_fault(pose) is None
    fault = rigid_fault(scaled(pose, 1.1))
    assert fault is not None
    assert "not orthonormal" in fault
    mirrored = rigid_fault(scaled(pose, -1.0))
    assert mirrored is not None
    assert "mirrors (determinant -1)" in mirrored


@given(st.lists(camera_moves(), min_size=1, max_size=3))
def test_moves_can_be_written_as_text(moves: list[CameraMove]) -> None:
    text = " + ".join(f"{move.name}:{move.amount!r}" for move in moves)
    parsed = CameraPath.parse(text).moves
    assert [(move.name, move.amount) for move in parsed] == [(m.name, m.amount) for m in moves]


def test_four_by_four_poses_lose_only_their_last_row() -> None:
    whole = np.tile(np.eye(4), (2, 1, 1))
    assert CameraPath(world_to_camera=whole).world_to_camera == (STILL, STILL)


def test_one_set_of_intrinsics_serves_all_frames() -> None:
    one = CameraPath(world_to_camera=[STILL] * 3, intrinsics=[(500, 500, 10, 10)])
    each = CameraPath(world_to_camera=[STILL] * 3, intrinsics=[(500, 500, 10, 10)] * 3)
    assert (len(one.intrinsics), len(each.intrinsics)) == (1, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either named moves or world_to_camera poses, and not both; got 0 moves and 0 poses"),
        (
            {"moves": [{"name": "pan", "amount": 1}], "world_to_camera": [STILL] * 2},
            "got 1 moves and 2 poses",
        ),
        ({"world_to_camera": [STILL]}, "at least two frames, got one"),
        (
            {"world_to_camera": [STILL] * 3, "intrinsics": [(5, 5, 1, 1)] * 2},
            "has 3 poses but 2 sets of intrinsics; give one for all, or one per frame",
        ),
        (
            {"moves": [{"name": "pan", "amount": 1}], "intrinsics": [(5, 5, 1, 1)] * 2},
            "has 0 poses but 2 sets of intrinsics",
        ),
        (
            {"world_to_camera": [STILL] * 2, "intrinsics": [(-5, 5, 1, 1)]},
            r"with positive focal lengths, got \(-5.0, 5.0, 1.0, 1.0\)",
        ),
        (
            {"world_to_camera": [STILL] * 2, "intrinsics": [(5, 5, float("nan"), 1)]},
            "Camera intrinsics holds a number that is not finite",
        ),
        (
            {"world_to_camera": [STILL, scaled(STILL, 2.0)]},
            r"of frame 1 is not rigid: its rotation is not orthonormal \(rows 0 and 0 give 4\)",
        ),
        (
            {"world_to_camera": [STILL, scaled(STILL, -1.0)]},
            "Camera pose of frame 1 is not rigid: its rotation mirrors",
        ),
        (
            {"world_to_camera": [np.eye(3)] * 2},
            r"A camera pose must be 3x4 or 4x4, got rows of lengths \[3, 3, 3\]",
        ),
        (
            {"world_to_camera": [np.vstack([np.array(STILL), [5, 6, 7, 1]])] * 2},
            r"ends in \(5.0, 6.0, 7.0, 1.0\); its last row must be .* transposed\?",
        ),
        (
            {"world_to_camera": [scaled(STILL, float("nan"))] * 2},
            "A camera pose holds a number that is not finite",
        ),
    ],
)
def test_wrong_paths_are_named(options: Any, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        CameraPath(**options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "oribt:5",
            "Unknown camera move 'oribt'. Did you mean 'orbit'\\? Choose one of: pan, tilt",
        ),
        ("orbit", r"Camera move 'orbit' has no amount; write orbit:AMOUNT \(degrees\)"),
        ("zoom:-2", r"got the amount -2.0; it needs a finite positive number \(factor\)"),
        ("dolly:nan", r"got the amount nan; it needs a finite number \(scene depths\)"),
        ("pan:5+", "Unknown camera move ''"),
    ],
)
def test_wrong_texts_are_named(text: str, message: str) -> None:
    with pytest.raises(MotionError, match=message):
        CameraPath.parse(text)


def test_every_move_says_its_unit_and_direction() -> None:
    assert set(CAMERA_MOVES) == {
        "pan", "tilt", "roll", "truck", "pedestal", "dolly", "zoom", "orbit",
    }  # fmt: skip
    assert all(unit and words for unit, words in CAMERA_MOVES.values())
