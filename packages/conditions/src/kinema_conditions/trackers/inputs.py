"""What every tracker is given: frames and points, checked before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from kinema.errors import InputError


def check_frames(frames: Tensor, least: int = 8) -> None:
    """Refuse what is not a clip.

    Args:
        frames: uint8 RGB ``(T, H, W, 3)``.
        least: the smallest side in pixels that the tracker can follow.

    Raises:
        InputError: the shape or type is another, or the clip is too small.
    """
    shape = tuple(frames.shape)
    if len(shape) != 4 or shape[-1] != 3 or shape[0] < 2 or frames.dtype != torch.uint8:
        raise InputError(
            f"A tracker needs uint8 frames (T, H, W, 3) with at least 2 frames, got {shape!r} of "
            f"{frames.dtype}."
        )
    if min(shape[1:3]) < least:
        raise InputError(
            f"This tracker needs frames of at least {least}x{least} pixels, got "
            f"{shape[2]}x{shape[1]}."
        )


def check_points(frames: Tensor, points: Tensor, frame: int) -> None:
    """Refuse points that are not in a frame of the clip.

    Args:
        frames: uint8 RGB ``(T, H, W, 3)``.
        points: ``(N, 2)`` pixels, x before y.
        frame: which frame they are in, from 0.

    Raises:
        InputError: there is no such frame, the shape is another, or a point lies outside.
    """
    count, height, width = frames.shape[:3]
    if not 0 <= frame < count:
        raise InputError(f"There is no frame {frame!r}; the clip has the frames 0 to {count - 1}.")
    if points.ndim != 2 or points.shape[1] != 2 or not points.is_floating_point():
        raise InputError(
            f"Points to follow must be floating point (N, 2), x before y; got "
            f"{tuple(points.shape)!r} of {points.dtype}."
        )
    far = points.new_tensor([width - 1, height - 1])
    outside = ~((points >= 0) & (points <= far)).all(dim=1)
    if bool(outside.any()):
        x, y = points[outside][0].tolist()
        raise InputError(
            f"{int(outside.sum())} of {len(points)} points lie outside the frame of "
            f"{width}x{height}, the first of them at ({x:g}, {y:g})."
        )


def at_points(displacement: Tensor, visible: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Points followed by a dense motion from their own frame.

    Args:
        displacement: ``(T, H, W, 2)`` from the frame of the points.
        visible: ``(T, H, W)``.
        points: ``(N, 2)``, within the frame.

    Returns:
        tracks ``(T, N, 2)`` by bilinear interpolation, and visible ``(T, N)`` of the nearest pixel.
    """
    height, width = visible.shape[1:]
    far = points.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    grid = (points / far * 2 - 1).expand(len(visible), 1, -1, -1)
    moved = torch.nn.functional.grid_sample(
        displacement.permute(0, 3, 1, 2), grid.to(displacement.dtype), align_corners=True
    )
    nearest = points.round().long()
    return points + moved[:, :, 0].transpose(1, 2), visible[:, nearest[:, 1], nearest[:, 0]]
