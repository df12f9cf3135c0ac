"""The camera as sparse regions, and drags with respect to a camera that moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from kinema import CameraPath, Drag, InputError, Motion, MotionError, MotionSignal, Tracks
from kinema.interfaces import DepthMap, Scene
from kinema_conditions.camera import camera_frames, displacement_from_poses
from kinema_conditions.camera_trajectory import CameraTrajectory
from kinema_conditions.configs import CameraTrajectoryConfig, RegionTrajectoryConfig
from kinema_conditions.region_trajectory import RegionTrajectory

CANVAS = (256, 160)
FRAMES = 6


def slanted() -> DepthMap:
    """A plane that recedes to the right, from 2 to 4."""
    return DepthMap(
        depth=torch.linspace(2, 4, CANVAS[0]).repeat(CANVAS[1], 1), metric=True, source="a plane"
    )


def signal(motion: Motion, found: DepthMap | None = None, **options: Any) -> MotionSignal:
    depth = slanted() if found is None else found
    condition = CameraTrajectory(CameraTrajectoryConfig(**options))
    return condition.from_motion(motion, Scene(frames=FRAMES, depth=lambda: depth))


def camera(text: str, *drags: Drag) -> Motion:
    return Motion(canvas=CANVAS, camera=CameraPath.parse(text), drags=drags)


def full(text: str) -> tuple[Tensor, Tensor]:
    """The displacement (T, 2, H, W) of every pixel, and whether it stays visible (H, W)."""
    depth = slanted().depth
    path = camera_frames(CameraPath.parse(text), FRAMES, CANVAS, float(depth.median()))
    displacement, visible = displacement_from_poses(depth, *path)
    return displacement.permute(0, 3, 1, 2), visible.all(0)


def test_without_left_out_regions_it_is_the_displacement_of_every_visible_region() -> None:
    made = signal(camera("truck:0.1"), ratio=0.0, k=1).dense()
    displacement, visible = full("truck:0.1")
    assert torch.equal(made, torch.where(visible, displacement, 0.0))


def test_kept_regions_are_whole_blocks_of_the_published_share() -> None:
    made = signal(camera("dolly:0.1")).dense()
    displacement, visible = full("dolly:0.1")
    blocks = made[-1].ne(0).any(0).unflatten(0, (20, 8)).unflatten(2, (32, 8))
    kept = blocks.any(3).any(1)
    share = float(kept.sum()) / float(visible[4::8, 4::8].sum())
    assert 0.1 < share < 0.2
    assert not kept[~visible[4::8, 4::8]].any()
    inside = kept.repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert torch.equal(made, torch.where(inside, displacement, 0.0))


def test_the_seed_chooses_the_regions_and_nothing_else_does() -> None:
    torch.manual_seed(1)
    first = signal(camera("truck:0.1")).dense()
    torch.manual_seed(2)
    assert torch.equal(first, signal(camera("truck:0.1")).dense())
    other = signal(camera("truck:0.1"), seed=1).dense()
    assert not torch.equal(first.ne(0), other.ne(0))
    faster = signal(camera("truck:0.11")).dense()
    overlap = (first.ne(0) & faster.ne(0)).sum() / first.ne(0).sum()
    assert overlap > 0.9


def test_the_signal_names_its_depth() -> None:
    assert signal(camera("pan:2")).notes == ("depth: a plane",)
    unitless = DepthMap(depth=slanted().depth, metric=False, source="a guess")
    poses = [[[1.0, 0, 0, 0.01 * t], [0, 1, 0, 0], [0, 0, 1, 0]] for t in range(3)]
    motion = Motion(canvas=CANVAS, camera=CameraPath(world_to_camera=poses))
    notes = signal(motion, unitless).notes
    assert notes[0] == "depth: a guess"
    assert "the camera poses' translations were read in its own" in notes[1]


def value(made: MotionSignal, x: int, y: int) -> list[list[float]]:
    """Displacement (T, 2) at a pixel."""
    found: list[list[float]] = made.dense()[:, :, y, x].tolist()
    return found


def test_a_drag_moves_with_respect_to_the_camera() -> None:
    """On a plane before a camera that trucks, both displacements simply add up."""
    wall = DepthMap(depth=torch.full((160, 256), 2.0), metric=True, source="a wall")
    drag = Drag([(100, 80), (130, 60)])
    both = value(signal(camera("truck:0.1", drag), wall), 100, 80)
    alone = value(signal(Motion(canvas=CANVAS, drags=[drag])), 100, 80)
    focal = 582.69 * 256 / 512
    for t in range(FRAMES):
        slide = -0.1 * t / (FRAMES - 1) * focal
        assert both[t] == pytest.approx([alone[t][0] + slide, alone[t][1]], abs=1e-3)


def test_a_drag_keeps_the_depth_of_its_start_and_its_path_bends_with_the_camera() -> None:
    """Towards the right the plane is farther away, but the dragged thing is not."""
    drag = Drag([(100, 80), (200, 40)])
    made = value(signal(camera("zoom:1.5+dolly:0.2", drag)), 100, 80)
    near = float(slanted().depth[80, 100])
    scene = float(slanted().depth.median())
    growth = 1.5 * near / (near - 0.2 * scene)
    cx, cy = 127.5, 79.5
    expected = [cx + (200 - cx) * growth - 100, cy + (40 - cy) * growth - 80]
    assert made[-1] == pytest.approx(expected, abs=1e-2)
    assert made[0] == [0, 0]


def test_a_still_anchor_rides_with_the_scene() -> None:
    displacement, _ = full("pan:4")
    made = value(signal(camera("pan:4", Drag([(100, 80)]))), 100, 80)
    for t in range(FRAMES):
        drift = t / (FRAMES - 1)
        expected = displacement[t, :, 80, 100] + drift
        assert made[t] == pytest.approx(expected.tolist(), abs=0.05)


def test_drags_fill_their_block_over_the_camera_and_survive_a_still_camera() -> None:
    drag = Drag([(100, 80), (110, 80)])
    made = signal(camera("truck:0.1", drag)).dense()
    block = made[-1, :, 76:84, 96:104]
    assert torch.equal(block, block[:, :1, :1].expand_as(block))
    still = signal(camera("truck:0", drag), ratio=1.0).dense()
    alone = signal(Motion(canvas=CANVAS, drags=[drag])).dense()
    assert torch.allclose(still, alone, atol=1e-3)


def test_a_drag_that_falls_behind_the_camera_says_nothing_there() -> None:
    made = value(signal(camera("dolly:2", Drag([(20, 80), (30, 80)])), ratio=1.0), 20, 80)
    assert made[1] != [0, 0]
    assert made[-1] == [0, 0]


def test_tracks_ride_with_the_camera_too() -> None:
    points = [[(100.0, 80.0)], [(110.0, 80.0)]]
    motion = Motion(
        canvas=CANVAS, camera=CameraPath.parse("truck:0.1"), tracks=Tracks(points=points)
    )
    drag = camera("truck:0.1", Drag([(100, 80), (110, 80)]))
    assert value(signal(motion), 100, 80) == value(signal(drag), 100, 80)


def test_without_a_camera_it_is_region_trajectory_and_asks_for_no_depth() -> None:
    motion = Motion(canvas=CANVAS, drags=[Drag([(100, 80), (130, 60)]), Drag([(20, 20)])])
    scene = Scene(frames=FRAMES)
    made = CameraTrajectory(CameraTrajectoryConfig()).from_motion(motion, scene)
    regions = RegionTrajectory(RegionTrajectoryConfig()).from_motion(motion, scene)
    assert torch.equal(made.dense(), regions.dense())


def test_region_trajectory_expresses_a_camera_as_this_does() -> None:
    motion = camera("orbit:10", Drag([(100, 80), (130, 60)]))
    scene = Scene(frames=FRAMES, depth=slanted)
    regions = RegionTrajectory(RegionTrajectoryConfig(k=4)).from_motion(motion, scene)
    assert torch.equal(regions.dense(), signal(motion, k=4).dense())
    assert regions.notes == ("depth: a plane",)


def test_no_depth_and_a_depth_of_another_size_are_named() -> None:
    condition = CameraTrajectory(CameraTrajectoryConfig())
    with pytest.raises(MotionError, match=r"Name a depth estimator, such as plane-prior\."):
        condition.from_motion(camera("pan:5"), Scene(frames=4))
    small = DepthMap(depth=torch.ones(10, 12), metric=True, source="small.npy")
    with pytest.raises(
        MotionError, match=r"depth 'small.npy' has the shape \(10, 12\), .* 256x160"
    ):
        signal(camera("pan:5"), small)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": -0.1}, r"ratio must be within \[0, 1\], got -0.1"),
        ({"r_min": 2.0}, r"r_min must be within \[0, 1\], got 2.0"),
        ({"k": 0}, "k must be at least 1 pixel, got 0"),
        ({"interpolation": "spline"}, "Unknown interpolation 'spline'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CameraTrajectoryConfig(**options)
