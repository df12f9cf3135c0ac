"""Carrying coordinates from one canvas to another.

Every change of canvas is one map: a box of the old pixel grid becomes the whole new grid. A box is
``(left, top, right, bottom)`` in pixel **edges**, so the whole canvas is ``(0, 0, width, height)``,
and a pixel centre x lies at edge coordinate x + 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from kinema.errors import InputError, MotionError

Size = tuple[int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]


def whole_box(size: Size) -> Box:
    """The box that is all of a pixel grid."""
    return 0.0, 0.0, float(size[0]), float(size[1])


def fit_box(source: Size, canvas: Size) -> Box:
    """The largest centred box of ``source`` that has the aspect of ``canvas``.

    Photos, masks and Motions are all fitted by this box, so they stay aligned to the subpixel.
    """
    scale = max(canvas[0] / source[0], canvas[1] / source[1])
    width, height = canvas[0] / scale, canvas[1] / scale
    left, top = (source[0] - width) / 2, (source[1] - height) / 2
    return left, top, left + width, top + height


def inner_box(outer: Box, canvas: Size, inner: Box) -> Box:
    """``inner``, a box on ``canvas``, in the coordinates in which ``outer`` is that canvas."""
    across, down = (outer[2] - outer[0]) / canvas[0], (outer[3] - outer[1]) / canvas[1]
    return (
        outer[0] + inner[0] * across,
        outer[1] + inner[1] * down,
        outer[0] + inner[2] * across,
        outer[1] + inner[3] * down,
    )


def map_point(point: Point, box: Box, canvas: Size) -> Point:
    """Where a pixel coordinate goes when ``box`` becomes ``canvas``."""
    left, top, right, bottom = box
    x = (point[0] + 0.5 - left) * canvas[0] / (right - left) - 0.5
    y = (point[1] + 0.5 - top) * canvas[1] / (bottom - top) - 0.5
    return x, y


def is_whole(box: Box, source: Size, canvas: Size) -> bool:
    """Whether mapping ``box`` of ``source`` onto ``canvas`` changes nothing."""
    return canvas == source and box == whole_box(source)


#: More than any picture has; what is asked for beyond it is a slip of the keyboard.
MOST_PIXELS = 2**28


def as_size(size: Any, what: str = "The canvas") -> Size:
    """Take ``(width, height)`` or ``"WxH"`` to two positive integers.

    Raises:
        MotionError: it is neither, or has more than 2^28 pixels.
    """
    try:
        parts = size.lower().split("x") if isinstance(size, str) else list(size)
        width, height = (int(part) for part in parts)
    except (TypeError, ValueError, OverflowError):
        raise MotionError(f"{what} must be (width, height) or 'WxH', got {size!r}.") from None
    if width < 1 or height < 1 or [float(part) for part in parts] != [width, height]:
        raise MotionError(f"{what} must be two positive whole numbers, got {size!r}.")
    if width * height > MOST_PIXELS:
        raise MotionError(
            f"{what} must have at most {MOST_PIXELS} pixels, got {size!r} with {width * height}."
        )
    return width, height


#: A clip of more frames is a slip of the keyboard.
MOST_FRAMES = 10_000

#: The pixels of a frame, and of all frames of a clip, that are made at once: 200 MB and 3 GB.
MOST_OF_A_FRAME, MOST_OF_A_CLIP = 2**26, 2**30


def check_extent(size: Size, frames: int = 1, most: int = MOST_OF_A_CLIP) -> None:
    """Refuse what memory would not hold, before it is asked for.

    Args:
        size: (width, height) of every frame.
        frames: how many.
        most: pixels of all frames.

    Raises:
        InputError: a frame has more than 2^26 pixels, there are more than 10,000 frames, or more
            than ``most`` pixels in all.
    """
    width, height = size
    if width * height > MOST_OF_A_FRAME:
        raise InputError(
            f"A frame of {width}x{height} has {width * height} pixels; at most {MOST_OF_A_FRAME} "
            "(8192x8192) are made. Ask for a smaller size."
        )
    if frames > MOST_FRAMES:
        raise InputError(f"At most {MOST_FRAMES} frames are made at once, got {frames}.")
    if width * height * frames > most:
        raise InputError(
            f"{frames} frames of {width}x{height} have {width * height * frames} pixels; at most "
            f"{most} are made at once. Ask for a smaller size or fewer frames."
        )


def as_points(points: Iterable[Any], what: str, finite: bool = True) -> tuple[Point, ...]:
    """Take any (N, 2) sequence to a tuple of (x, y) floats.

    Args:
        what: whose points they are, for errors.
        finite: whether NaN and infinity are refused.

    Raises:
        MotionError: a point has not exactly two finite coordinates.
    """
    result = []
    for index, point in enumerate(points):
        try:
            x, y = (float(value) for value in point)
        except (TypeError, ValueError):
            raise MotionError(f"Point {index} of {what} must be (x, y), got {point!r}.") from None
        if finite and not (math.isfinite(x) and math.isfinite(y)):
            raise MotionError(f"Point {index} of {what} is not finite: {(x, y)!r}.")
        result.append((x, y))
    return tuple(result)
