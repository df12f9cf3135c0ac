"""Camera paths as poses: the signs and units of every named move, resampling, composition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema import CAMERA_MOVES, CameraMove, CameraPath, InputError, MotionError
from kinema_conditions.camera import camera_frames, project_tracks

CANVAS = (512, 320)
DEPTH = 4.0
CENTRE = (255.5, 159.5)
FOCAL = 582.69


def seen(
    path: CameraPath | str, point: tuple[float, float], depth: float, frames: int = 5
) -> Tensor:
    """Where a still point at a pixel and depth is seen over the frames, (T, 2)."""
    camera = CameraPath.parse(path) if isinstance(path, str) else path
    still = torch.tensor(point).expand(frames, 1, 2)
    matrices, poses = camera_frames(camera, frames, CANVAS, DEPTH)
    return project_tracks(still, torch.tensor([depth]), matrices, poses)[0][:, 0].double()


def rigid(poses: Tensor) -> bool:
    turns = poses[:, :3, :3]
    eye = torch.eye(3, dtype=poses.dtype)
    return torch.allclose(turns @ turns.mT, eye, atol=1e-9) and bool((turns.det() > 0).all())


def test_pan_turns_right_so_the_picture_slides_left() -> None:
    x, y = seen("pan:10", CENTRE, DEPTH)[-1].tolist()
    assert x == pytest.approx(CENTRE[0] - FOCAL * math.tan(math.radians(10)), abs=1e-2)
    assert y == pytest.approx(CENTRE[1], abs=1e-2)


def test_tilt_turns_up_so_the_picture_slides_down() -> None:
    x, y = seen("tilt:10", CENTRE, DEPTH)[-1].tolist()
    assert x == pytest.approx(CENTRE[0], abs=1e-2)
    assert y == pytest.approx(CENTRE[1] + FOCAL * math.tan(math.radians(10)), abs=1e-2)


def test_roll_turns_clockwise_so_the_picture_turns_counter_clockwise() -> None:
    x, y = seen("roll:30", (CENTRE[0] + 100, CENTRE[1]), DEPTH)[-1].tolist()
    assert x == pytest.approx(CENTRE[0] + 100 * math.cos(math.radians(30)), abs=1e-2)
    assert y == pytest.approx(CENTRE[1] - 100 * math.sin(math.radians(30)), abs=1e-2)


@pytest.mark.parametrize("depth", [2.0, 4.0])
def test_truck_and_pedestal_move_by_fractions_of_the_scene_depth(depth: float) -> None:
    slide = 0.1 * DEPTH * FOCAL / depth
    trucked, raised = (
        seen(f"{name}:0.1", CENTRE, depth)[-1].tolist() for name in ("truck", "pedestal")
    )
    assert trucked == pytest.approx([CENTRE[0] - slide, CENTRE[1]], abs=1e-2)
    assert raised == pytest.approx([CENTRE[0], CENTRE[1] + slide], abs=1e-2)


def test_dolly_moves_forward_so_near_things_grow_more() -> None:
    corner = (CENTRE[0] + 60, CENTRE[1] + 30)
    for depth in (2.0, 4.0):
        growth = depth / (depth - 0.25 * DEPTH)
        expected = [CENTRE[0] + 60 * growth, CENTRE[1] + 30 * growth]
        assert seen("dolly:0.25", corner, depth)[-1].tolist() == pytest.approx(expected, abs=1e-2)


def test_zoom_multiplies_the_focal_length_at_every_depth() -> None:
    corner = (CENTRE[0] + 60, CENTRE[1] + 30)
    for depth in (2.0, 4.0):
        expected = [CENTRE[0] + 72, CENTRE[1] + 36]
        assert seen("zoom:1.2", corner, depth)[-1].tolist() == pytest.approx(expected, abs=1e-2)
    halfway = seen("zoom:4", corner, 2.0, frames=3)[1].tolist()
    assert halfway == pytest.approx([CENTRE[0] + 120, CENTRE[1] + 60], abs=1e-2)


def test_orbit_circles_right_and_keeps_looking_at_the_middle() -> None:
    path = seen("orbit:20", CENTRE, DEPTH)
    assert torch.allclose(path, torch.tensor(CENTRE).double().expand(5, 2), atol=1e-2)
    near, far = (seen("orbit:20", CENTRE, depth)[-1, 0] for depth in (3.0, 5.0))
    assert near < CENTRE[0] < far
    _, poses = camera_frames(CameraPath.parse("orbit:20"), 5, CANVAS, DEPTH)
    centre = -poses[-1, :3, :3].T @ poses[-1, :3, 3]
    expected = [DEPTH * math.sin(math.radians(20)), 0, DEPTH * (1 - math.cos(math.radians(20)))]
    assert centre.tolist() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(CAMERA_MOVES)),
    amount=st.floats(0.05, 0.9),
    frames=st.integers(2, 20),
    easing=st.sampled_from(["linear", "ease-in", "ease-out", "ease-in-out"]),
)
def test_every_move_is_rigid_starts_at_rest_and_ends_the_same_at_any_frame_count(
    name: str, amount: float, frames: int, easing: str
) -> None:
    camera = CameraPath(moves=[CameraMove(name, amount, easing)])  # type: ignore[arg-type]
    matrices, poses = camera_frames(camera, frames, CANVAS, DEPTH)
    assert matrices.shape == (frames, 3, 3)
    assert poses.shape == (frames, 4, 4)
    assert rigid(poses)
    assert torch.equal(poses[0], torch.eye(4).double())
    few = camera_frames(camera, 2, CANVAS, DEPTH)
    assert torch.allclose(few[0][-1], matrices[-1])
    assert torch.allclose(few[1][-1], poses[-1])


def test_easing_is_the_clock_of_the_move() -> None:
    eased = CameraPath(moves=[CameraMove("truck", 0.4, "ease-in")])
    _, poses = camera_frames(eased, 3, CANVAS, DEPTH)
    assert poses[:, 0, 3].tolist() == pytest.approx([0, -0.4, -1.6])


def test_moves_act_in_order_each_from_where_the_last_left_the_camera() -> None:
    _, turned_first = camera_frames(CameraPath.parse("pan:90+dolly:0.5"), 2, CANVAS, DEPTH)
    _, moved_first = camera_frames(CameraPath.parse("dolly:0.5+pan:90"), 2, CANVAS, DEPTH)
    centres = [-p[-1, :3, :3].T @ p[-1, :3, 3] for p in (turned_first, moved_first)]
    assert centres[0].tolist() == pytest.approx([2, 0, 0], abs=1e-6)
    assert centres[1].tolist() == pytest.approx([0, 0, 2], abs=1e-6)


def test_the_default_focal_length_scales_with_the_canvas() -> None:
    camera = CameraPath.parse("pan:5")
    for width, height in ((512, 320), (1024, 640)):
        matrices, _ = camera_frames(camera, 2, (width, height), DEPTH)
        focal = FOCAL * width / 512
        assert matrices[1].tolist() == [
            [focal, 0, (width - 1) / 2],
            [0, focal, (height - 1) / 2],
            [0, 0, 1],
        ]


def test_given_intrinsics_are_used_and_zoomed() -> None:
    camera = CameraPath(moves=[CameraMove("zoom", 2)], intrinsics=[(300, 310, 200, 100)])
    matrices, _ = camera_frames(camera, 2, CANVAS, DEPTH)
    assert matrices[0].tolist() == [[300, 0, 200], [0, 310, 100], [0, 0, 1]]
    assert matrices[1].tolist() == [[600, 0, 200], [0, 620, 100], [0, 0, 1]]


def poses_of(text: str, frames: int) -> CameraPath:
    """A named path, written down as poses."""
    _, poses = camera_frames(CameraPath.parse(text), frames, CANVAS, DEPTH)
    return CameraPath(world_to_camera=poses[:, :3].tolist())


def test_poses_are_taken_as_they_are_where_the_frames_agree() -> None:
    camera = poses_of("orbit:30+truck:0.2", 6)
    _, poses = camera_frames(camera, 6, CANVAS, 123.0)
    assert poses[:, :3].tolist() == [[list(row) for row in pose] for pose in camera.world_to_camera]


@pytest.mark.parametrize("path", ["pan:80", "truck:0.5", "roll:120"])
@pytest.mark.parametrize("frames", [2, 7, 16])
def test_poses_of_another_length_are_resampled(path: str, frames: int) -> None:
    _, made = camera_frames(poses_of(path, 4), frames, CANVAS, DEPTH)
    _, exact = camera_frames(CameraPath.parse(path), frames, CANVAS, DEPTH)
    assert rigid(made)
    assert torch.allclose(made, exact, atol=1e-6)


def test_intrinsics_per_frame_are_resampled_linearly() -> None:
    still = [[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]] * 2
    camera = CameraPath(world_to_camera=still, intrinsics=[(100, 100, 50, 40), (200, 300, 60, 40)])
    matrices, _ = camera_frames(camera, 3, CANVAS, DEPTH)
    assert matrices[1].tolist() == [[150, 0, 55], [0, 200, 40], [0, 0, 1]]


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match=r"scene's depth must be positive and finite, got 0\.0"):
        camera_frames(CameraPath.parse("pan:5"), 4, CANVAS, 0.0)
    with pytest.raises(MotionError, match="at least 2 frames, got 1"):
        camera_frames(CameraPath.parse("pan:5"), 1, CANVAS, 1.0)
