"""Where the camera takes pixels: the published numbers, real ground truth, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema import InputError
from kinema_conditions.camera import displacement_from_poses, project_pixels, project_tracks


def shifted(x: float, frames: int = 3, rows: int = 4) -> Tensor:
    """Poses (T, rows, 4): the camera moves left by x a frame."""
    poses = torch.eye(4).repeat(frames, 1, 1)
    poses[:, 0, 3] = x * torch.arange(frames)
    return poses[:, :rows]


def intrinsics(focal: float = 100.0) -> Tensor:
    return torch.tensor([[focal, 0, 9.5], [0, focal, 7.5], [0, 0, 1.0]])


@pytest.mark.parametrize("name", ["truck-left-1", "zoom-in-1", "complex-mode_5-default"])
def test_displacement_equals_the_published_numbers(
    camera_reference: dict[str, Tensor], name: str
) -> None:
    displacement, visible = displacement_from_poses(
        camera_reference["in.depth"],
        camera_reference[f"in.{name}.intrinsics"],
        camera_reference[f"in.{name}.world_to_camera"],
    )
    assert torch.allclose(
        displacement, camera_reference[f"out.{name}.displacement"], rtol=0, atol=1e-3
    )
    assert torch.equal(visible[1:].all(0), camera_reference[f"out.{name}.visible"].bool())
    assert displacement.dtype == torch.float32


def test_the_second_view_of_a_real_stereo_pair_lies_where_it_was_measured() -> None:
    """Middlebury's motorcycle: depth from its disparity, moved by the baseline, gives it back."""
    data = pytest.importorskip("skimage.data")
    disparity = torch.from_numpy(np.array(data.stereo_motorcycle()[2], dtype=np.float64))
    focal, baseline, shift = 994.978, 0.193001, 31.086
    valid = torch.isfinite(disparity)
    depth = focal * baseline / (disparity + shift)
    depth = torch.where(valid, depth, 3.0)
    left = torch.tensor([[focal, 0, 311.193], [0, focal, 254.877], [0, 0, 1]], dtype=torch.float64)
    right = left.clone()
    right[0, 2] += shift
    poses = shifted(-baseline, frames=2).double()
    points, z = project_pixels(depth, torch.stack([left, right]), poses)
    moved = points[1, ..., 0].double() - torch.arange(disparity.shape[1])
    assert float((moved + disparity)[valid].abs().max()) < 1e-3
    assert torch.allclose(z[1], depth.float())
    displacement, visible = displacement_from_poses(depth, torch.stack([left, right]), poses)
    seen = visible[1] & valid
    assert 0.85 < float(seen.double().mean()) < 0.93
    assert float((displacement[1, ..., 0].double() + disparity)[seen].abs().max()) < 1e-3
    assert float(displacement[1, ..., 1].abs().max()) < 1e-3


def test_what_leaves_the_canvas_or_falls_behind_the_camera_is_not_visible() -> None:
    depth = torch.full((16, 20), 2.0)
    displacement, visible = displacement_from_poses(depth, intrinsics(), shifted(0.1))
    assert visible[0].all()
    # Away from the border, where rounding decides (as published).
    inner = slice(1, 15)
    assert visible[1, inner, :14].all()
    assert not visible[1, :, 15:].any()
    assert visible[2, inner, :9].all()
    assert not visible[2, :, 10:].any()
    assert torch.allclose(displacement[1, inner, :14, 0], torch.tensor(5.0), atol=1e-4)
    assert not displacement[~visible].any()
    assert not displacement[0].any()
    through = torch.eye(4).repeat(2, 1, 1)
    through[1, 2, 3] = -3.0
    displacement, visible = displacement_from_poses(depth, intrinsics(), through)
    assert not visible[1].any()
    assert not displacement.any()
    points, z = project_pixels(depth, intrinsics(), shifted(0.1))
    assert torch.allclose(points[2, 3, 15], torch.tensor([25.0, 3.0]), atol=1e-4)
    assert torch.allclose(z, torch.tensor(2.0))


def test_a_zoom_projects_with_the_intrinsics_of_its_frame() -> None:
    matrices = torch.stack([intrinsics(100), intrinsics(150)])
    points, _ = project_pixels(torch.full((16, 20), 2.0), matrices, shifted(0, frames=2))
    assert torch.allclose(points[1, 0, 0], torch.tensor([-4.75, -3.75]), atol=1e-4)
    assert torch.allclose(points[0, 3, 4], torch.tensor([4.0, 3.0]), atol=1e-4)


def test_a_first_pose_away_from_the_origin_is_the_camera_of_the_photo() -> None:
    world = torch.eye(4)
    world[:3, :3] = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[
        0
    ]
    world[:3, 3] = torch.tensor([3.0, -1.0, 2.0])
    depth = torch.rand(16, 20, generator=torch.Generator().manual_seed(1)) + 1
    here = displacement_from_poses(depth, intrinsics(), shifted(0.02))
    there = displacement_from_poses(depth, intrinsics(), shifted(0.02) @ world)
    agree = here[1] == there[1]
    assert float(agree.float().mean()) > 0.99
    assert torch.allclose(here[0][agree], there[0][agree], atol=1e-3)


@pytest.mark.parametrize("rows", [3, 4])
def test_a_batch_equals_its_clips_one_by_one(rows: int) -> None:
    depth = torch.rand(3, 16, 20, generator=torch.Generator().manual_seed(0)) + 1
    poses = torch.stack([shifted(x, rows=rows) for x in (0.01, 0.05, -0.1)])
    matrices = torch.stack([intrinsics(f) for f in (80.0, 100.0, 120.0)])
    for function in (displacement_from_poses, project_pixels):
        batched = function(depth, matrices, poses)
        single = [function(depth[b], matrices[b], poses[b]) for b in range(3)]
        for part in (0, 1):
            assert torch.equal(batched[part], torch.stack([pair[part] for pair in single]))
    per_frame = matrices[:, None].expand(3, 3, 3, 3)
    assert torch.equal(
        displacement_from_poses(depth, per_frame, poses)[0],
        displacement_from_poses(depth, matrices, poses)[0],
    )


def test_points_that_move_are_seen_from_the_moving_camera() -> None:
    tracks = torch.tensor([[[10.0, 8.0]], [[12.0, 8.0]], [[14.0, 9.0]]])
    points, z = project_tracks(tracks, torch.tensor([2.0]), intrinsics(), shifted(0.1))
    assert torch.allclose(
        points[:, 0], torch.tensor([[10.0, 8.0], [17.0, 8.0], [24.0, 9.0]]), atol=1e-4
    )
    assert torch.allclose(z, torch.tensor(2.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": torch.ones(16)}, r"Depth must be \(H, W\) or \(B, H, W\), got \(16,\)"),
        ({"depth": torch.tensor([[1.0, float("nan")]])}, "1 of 2 values are not, .* nan"),
        ({"depth": torch.zeros(2, 2)}, "4 of 4 values are not, the first of them 0.0"),
        ({"poses": torch.eye(3).repeat(3, 1, 1)}, r"poses must be .* got the shape \(3, 3, 3\)"),
        ({"poses": torch.eye(4)}, r"poses must be .* got the shape \(4, 4\)"),
        ({"intrinsics": torch.eye(4)}, r"intrinsics must be .* the 3 frames; .* \(4, 4\)"),
        ({"intrinsics": torch.eye(3).repeat(5, 1, 1)}, r"the 3 frames; got the shape \(5, 3, 3\)"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], message: str) -> None:
    given = {"depth": torch.ones(16, 20), "intrinsics": intrinsics(), "poses": shifted(0.1)}
    given |= change
    with pytest.raises(InputError, match=message):
        displacement_from_poses(given["depth"], given["intrinsics"], given["poses"])


def test_tracks_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match=r"Tracks must be \(T, N, 2\) .* \(3, 2, 2\) and \(1,\)"):
        project_tracks(torch.zeros(3, 2, 2), torch.ones(1), intrinsics(), shifted(0.1))
    with pytest.raises(InputError, match="3 camera poses but 4 frames of tracks"):
        project_tracks(torch.zeros(4, 1, 2), torch.ones(1), intrinsics(), shifted(0.1))
