"""How far to zoom in so that a motion shows nothing beyond the sides of the photo."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

#: The largest zoom; what asks for more shows little of the photo.
LARGEST = 4.0


def views_inside(frame: Callable[[int], Tensor], frames: int) -> Tensor:
    """A zoom about the middle and a shift for every frame, ``(T, 3)``: scale, x and y in pixels.

    The photo's sides never come into view, the zoom never goes back, so that nothing breathes, and
    the first frame is the photo itself. The scale is at most :data:`LARGEST`.

    Args:
        frame: gives the maps ``(C, H, W)`` of a frame: dx, dy, depth and layer first.
        frames: T.
    """
    views = torch.zeros(frames, 3, dtype=torch.float64)
    scale = 1.0
    for index in range(frames):
        maps = frame(index)
        height, width = maps.shape[-2:]
        spans = [
            _span(maps[axis], maps[3], length, axis) for axis, length in ((0, width), (1, height))
        ]
        needed = (
            (length - 1) / max(last - first, 1e-6)
            for (first, last), length in zip(spans, (width, height), strict=True)
        )
        scale = min(LARGEST, max(scale, *needed))
        shifts = [
            _shift(span, scale, length - 1)
            for span, length in zip(spans, (width, height), strict=True)
        ]
        views[index] = torch.tensor([scale, *shifts], dtype=torch.float64)
    return views


def viewed(maps: Tensor, views: Tensor) -> None:
    """Take dx and dy of ``maps`` (t, C, H, W) on by ``views`` (t, 3), in place."""
    height, width = maps.shape[-2:]
    lines = (torch.arange(width)[None, None], torch.arange(height)[None, :, None])
    for axis, (line, length) in enumerate(zip(lines, (width, height), strict=True)):
        scale, shift = (views[:, column, None, None].to(maps.dtype) for column in (0, 1 + axis))
        middle = (length - 1) / 2
        maps[:, axis].mul_(scale).add_((scale - 1) * (line - middle) + shift)


def _span(moved: Tensor, layer: Tensor, length: int, axis: int) -> tuple[float, float]:
    """Between which coordinates the background reaches from side to side, ``moved`` (H, W)."""
    lines = (
        (moved[:, 0], layer[:, 0], moved[:, -1], layer[:, -1])
        if axis == 0
        else (moved[0], layer[0], moved[-1], layer[-1])
    )
    first, first_layer, last, last_layer = lines
    low = first[first_layer == 0].double()
    high = last[last_layer == 0].double() + (length - 1)
    return (
        max(0.0, float(low.max())) if len(low) else 0.0,
        min(length - 1.0, float(high.min())) if len(high) else length - 1.0,
    )


def _shift(span: tuple[float, float], scale: float, last: int) -> float:
    """The least shift by which the zoomed span covers the canvas, if any does."""
    middle = last / 2
    most = -middle - scale * (span[0] - middle)
    least = last - middle - scale * (span[1] - middle)
    return min(max(0.0, least), most) if least <= most else (least + most) / 2
