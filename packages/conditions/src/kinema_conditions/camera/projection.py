"""Where the camera takes each pixel: lifted with its depth, projected by each pose."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.errors import InputError


def displacement_from_poses(
    depth: Tensor, intrinsics: Tensor, world_to_camera: Tensor
) -> tuple[Tensor, Tensor]:
    """How far each pixel of frame 0 moves in each frame, if only the camera moves.

    A pixel is lifted with its depth through the first pose and projected by every pose. Where it
    falls behind the camera or outside ``[0, W-1] x [0, H-1]`` it is not visible, and its
    displacement is 0 there.

    Args:
        depth: ``(H, W)`` along the camera's z axis, positive, in the unit of the translations; or
            ``(B, H, W)``.
        intrinsics: ``(3, 3)`` in pixels, or ``(T, 3, 3)`` for a zoom (frame 0 lifts); with a batch
            also ``(B, 3, 3)`` or ``(B, T, 3, 3)``.
        world_to_camera: ``(T, 3, 4)`` or ``(T, 4, 4)``; with a batch also with a leading B.

    Returns:
        displacement ``(T, H, W, 2)`` float32 pixels (x right, y down) and visible ``(T, H, W)``
        bool, both with a leading B if ``depth`` has one. Frame 0 does not move and is visible.

    Raises:
        InputError: a shape does not fit, or a depth is not positive and finite.
    """
    frames, batched = _projected(depth, intrinsics, world_to_camera)
    height, width = depth.shape[-2:]
    pixels = _pixels(height, width, frames[0][0])
    far = torch.tensor([width - 1, height - 1], dtype=pixels.dtype, device=pixels.device)
    displacement, visible = [], []
    for t, (points, z) in enumerate(frames):
        inside = ((points >= 0) & (points <= far)).all(-1) & (z > 0)
        moved = torch.where(inside[..., None], points - pixels, 0.0)
        displacement.append(moved.float() if t else torch.zeros_like(moved, dtype=torch.float32))
        visible.append(inside if t else torch.ones_like(inside))
    return _stacked(displacement, batched), _stacked(visible, batched)


def project_pixels(
    depth: Tensor, intrinsics: Tensor, world_to_camera: Tensor
) -> tuple[Tensor, Tensor]:
    """Where each pixel of frame 0 is in each frame, and how deep, wherever that may be.

    Takes what :func:`displacement_from_poses` takes, and raises what it raises.

    Returns:
        points ``(T, H, W, 2)`` float32 pixels and z ``(T, H, W)`` float32 in the depth's unit.
        Where z is not positive the point is behind the camera and its coordinates mean nothing.
    """
    frames, batched = _projected(depth, intrinsics, world_to_camera)
    points = _stacked([point.float() for point, _ in frames], batched)
    return points, _stacked([z.float() for _, z in frames], batched)


def project_tracks(
    tracks: Tensor, depth: Tensor, intrinsics: Tensor, world_to_camera: Tensor
) -> tuple[Tensor, Tensor]:
    """Where points that move on the photo's canvas are seen by a camera that moves.

    Each point keeps the depth it starts at: its place in frame t, as the resting camera would see
    it, is lifted through the first pose and projected by pose t.

    Args:
        tracks: ``(T, N, 2)`` pixels of frame 0's canvas.
        depth: ``(N,)``, positive.
        intrinsics: ``(3, 3)`` or ``(T, 3, 3)``.
        world_to_camera: ``(T, 3, 4)`` or ``(T, 4, 4)``.

    Returns:
        points ``(T, N, 2)`` float32 pixels, and z ``(T, N)`` float32.

    Raises:
        InputError: a shape does not fit, or a depth is not positive and finite.
    """
    if tracks.ndim != 3 or tracks.shape[-1] != 2 or tracks.shape[1:2] != depth.shape:
        raise InputError(
            f"Tracks must be (T, N, 2) with one depth (N,) each; got {tuple(tracks.shape)!r} and "
            f"{tuple(depth.shape)!r}."
        )
    _check_depth(depth)
    matrices, motions = _camera(intrinsics, world_to_camera, 1, len(tracks), depth.device)
    points, zs = [], []
    for t, places in enumerate(tracks):
        lifted = _lift(places.float(), depth.float(), matrices[:, 0])
        point, z = _project(lifted, motions[:, t], matrices[:, t])
        points.append(point[0].float())
        zs.append(z[0].float())
    return torch.stack(points), torch.stack(zs)


def _projected(
    depth: Tensor, intrinsics: Tensor, world_to_camera: Tensor
) -> tuple[list[tuple[Tensor, Tensor]], bool]:
    """Per frame: points (B, H, W, 2) and z (B, H, W); and whether depth had a batch dimension."""
    if depth.ndim not in (2, 3):
        raise InputError(f"Depth must be (H, W) or (B, H, W), got {tuple(depth.shape)!r}.")
    _check_depth(depth)
    batched = depth.ndim == 3
    maps = depth.float() if batched else depth.float()[None]
    batch, height, width = maps.shape
    matrices, motions = _camera(intrinsics, world_to_camera, batch, None, depth.device)
    pixels = _pixels(height, width, maps).reshape(-1, 2)
    lifted = _lift(pixels, maps.reshape(batch, -1), matrices[:, 0])
    frames = []
    for t in range(motions.shape[1]):
        points, z = _project(lifted, motions[:, t], matrices[:, t])
        frames.append((points.reshape(batch, height, width, 2), z.reshape(batch, height, width)))
    return frames, batched


def _lift(pixels: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Camera coordinates (B, N, 3) of pixels (N, 2) at depth (B, N) or (N,), K (B, 3, 3).

    In float32, as published: a pixel of the border that the camera moves along the border lands
    inside or outside by the rounding of this product alone.
    """
    inverse = torch.linalg.inv(intrinsics).float()
    x, y, z = pixels[:, 0] * depth, pixels[:, 1] * depth, depth
    rows = [inverse[:, i, 0, None] * x + inverse[:, i, 1, None] * y for i in range(3)]
    axes = [row + inverse[:, i, 2, None] * z for i, row in enumerate(rows)]
    return torch.stack(axes, dim=-1).to(intrinsics.dtype)


def _project(lifted: Tensor, motion: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (B, N, 2) and z (B, N) of points (B, N, 3) after a motion (B, 4, 4)."""
    from kornia.geometry.camera import project_points
    from kornia.geometry.linalg import transform_points

    seen = transform_points(motion, lifted)
    return project_points(seen, intrinsics[:, None]), seen[..., 2]


def _camera(
    intrinsics: Tensor,
    world_to_camera: Tensor,
    batch: int,
    frames: int | None,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """K ``(B, T, 3, 3)``, and the motion from the first camera to each ``(B, T, 4, 4)``."""
    exact = torch.float32 if device.type == "mps" else torch.float64
    poses = _as_poses(world_to_camera.to(device, exact), batch)
    count = poses.shape[1]
    if frames not in (None, count):
        raise InputError(f"There are {count} camera poses but {frames} frames of tracks.")
    shape = tuple(intrinsics.shape)
    matrices = intrinsics.to(device, exact)
    if matrices.ndim == 2:
        matrices = matrices[None, None]
    elif matrices.ndim == 3:
        per_frame = len(matrices) == count and not (batch > 1 and len(matrices) == batch)
        matrices = matrices[None] if per_frame else matrices[:, None]
    fits = matrices.ndim == 4 and len(matrices) in (1, batch) and matrices.shape[1] in (1, count)
    if not fits or matrices.shape[-2:] != (3, 3):
        raise InputError(
            f"Camera intrinsics must be (3, 3), or one (3, 3) for each of the {count} frames; got "
            f"the shape {shape!r}."
        )
    motions = poses @ torch.linalg.inv(poses[:, :1])
    return matrices.expand(batch, count, 3, 3), motions


def _as_poses(poses: Tensor, batch: int) -> Tensor:
    shape = tuple(poses.shape)
    if len(shape) == 3:
        poses = poses[None]
    fits = poses.ndim == 4 and len(poses) in (1, batch) and poses.shape[1] >= 1
    if not fits or shape[-2:] not in ((3, 4), (4, 4)):
        raise InputError(
            f"World-to-camera poses must be (T, 3, 4) or (T, 4, 4), got the shape {shape!r}."
        )
    if shape[-2] == 3:
        last = poses.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*poses.shape[:2], 1, 4)
        poses = torch.cat([poses, last], dim=-2)
    return poses.expand(batch, *poses.shape[1:])


def _check_depth(depth: Tensor) -> None:
    wrong = ~(torch.isfinite(depth) & (depth > 0))
    count = int(wrong.sum())
    if count:
        value = float(depth[wrong][0])
        raise InputError(
            f"Depth must be positive and finite; {count} of {depth.numel()} values are not, the "
            f"first of them {value!r}. Fill them before projecting."
        )


def _pixels(height: int, width: int, like: Tensor) -> Tensor:
    """Integer pixel coordinates (H, W, 2), x before y."""
    x = torch.arange(width, dtype=like.dtype, device=like.device)
    y = torch.arange(height, dtype=like.dtype, device=like.device)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def _stacked(frames: list[Tensor], batched: bool) -> Tensor:
    """(B, ...) per frame to (B, T, ...), or (T, ...) without a batch."""
    stacked = torch.stack(frames, dim=1)
    return stacked if batched else stacked[0]
