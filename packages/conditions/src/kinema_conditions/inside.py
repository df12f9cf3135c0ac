"""How far to zoom in so that a motion shows nothing beyond the sides of the photo."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from kinema.motion.canvas import Size

#: The largest zoom; what asks for more shows little of the photo.
LARGEST = 4.0


#: At the first and the last column, or row: displacements along the other axis, and layers.
Ends = tuple[Tensor, Tensor, Tensor, Tensor]


def views_inside(sides: Callable[[int], tuple[Ends, Ends]], frames: int, canvas: Size) -> Tensor:
    """A zoom about the middle and a shift for every frame, ``(T, 3)``: scale, x and y in pixels.

    The photo's sides never come into view, the zoom never goes back, so that nothing breathes, and
    the first frame is the photo itself. The scale is at most :data:`LARGEST`.

    Args:
        sides: gives :func:`sides_of` a frame.
        frames: T.
        canvas: (width, height).
    """
    views = torch.zeros(frames, 3, dtype=torch.float64)
    scale = 1.0
    for index in range(frames):
        ends = zip(sides(index), canvas, strict=True)
        spans = [_span(*each, length) for each, length in ends]
        needed = (
            (length - 1) / max(last - first, 1e-6)
            for (first, last), length in zip(spans, canvas, strict=True)
        )
        scale = min(LARGEST, max(scale, *needed))
        shifts = [
            _shift(span, scale, length - 1) for span, length in zip(spans, canvas, strict=True)
        ]
        views[index] = torch.tensor([scale, *shifts], dtype=torch.float64)
    return views


def sides_of(parts: Iterable[Tensor]) -> tuple[Ends, Ends]:
    """What lies at the sides of a frame, whose maps come as rows, each ``(6, h, W)``."""
    columns, rows = [], []
    for maps in parts:
        columns.append([maps[channel][:, at] for at in (0, -1) for channel in (0, 3)])
        rows.append([maps[channel][at] for at in (0, -1) for channel in (1, 3)])
    left, left_layer, right, right_layer = (torch.cat(each) for each in zip(*columns, strict=True))
    (top, top_layer, _, _), (_, _, bottom, bottom_layer) = rows[0], rows[-1]
    return (left, left_layer, right, right_layer), (top, top_layer, bottom, bottom_layer)


def viewed(maps: Tensor, views: Tensor, height: int, top: int) -> None:
    """Take dx and dy of ``maps`` (t, C, h, W) on by ``views`` (t, 3), in place.

    They are the rows from ``top`` on of pictures of that ``height``.
    """
    rows, width = maps.shape[-2:]
    down = torch.arange(top, top + rows)[None, :, None]
    lines = (torch.arange(width)[None, None], down)
    for axis, (line, length) in enumerate(zip(lines, (width, height), strict=True)):
        scale, shift = (views[:, column, None, None].to(maps.dtype) for column in (0, 1 + axis))
        middle = (length - 1) / 2
        maps[:, axis].mul_(scale).add_((scale - 1) * (line - middle) + shift)


def _span(
    first: Tensor, first_layer: Tensor, last: Tensor, last_layer: Tensor, length: int
) -> tuple[float, float]:
    """Between which coordinates the background reaches from side to side."""
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
