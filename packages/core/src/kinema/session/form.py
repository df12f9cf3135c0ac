"""Which size, frame count and rate a video gets: one rule for all backbones.

What a caller names is made, or refused with the nearest that the backbone makes. What a caller
leaves open comes from the motion where that says something the backbone can make, and from the
backbone's native form otherwise.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import attrs

from kinema.errors import InputError
from kinema.interfaces import Backbone, check_form
from kinema.motion.canvas import Size, as_size, check_extent
from kinema.motion.motion import Motion
from kinema.offers import NativeForm

#: Frames that a rate named alone gives at most; more is a mistake in the rate or the duration.
MOST_FRAMES = 10_000

#: No file of a video says a rate beyond it.
MOST_FPS = 10_000.0

#: The seeds that torch's generators take.
SEEDS = range(-(2**63), 2**64)


@attrs.frozen(kw_only=True)
class VideoForm:
    """The form of a video.

    Attributes:
        size: (width, height).
        frames: T.
        fps: frames per second.
        notes: what was chosen for the caller.
    """

    size: Size
    frames: int
    fps: float
    notes: tuple[str, ...] = ()


def choose_form(
    backbone: Backbone,
    name: str,
    native: NativeForm | None,
    motion: Motion,
    *,
    size: Any = None,
    frames: Any = None,
    fps: Any = None,
    any_rate: bool = False,
) -> VideoForm:
    """The form of a video of ``motion``.

    Args:
        any_rate: whether a rate that is named alone gives frames for the motion's duration.

    Raises:
        InputError: a value has another type or is out of range, or the backbone cannot make what
            is named.
    """
    notes: list[str] = []
    timed = not motion.default_timing
    if frames is None and fps is not None and any_rate:
        wanted = _frames(motion.duration, positive(fps, "fps"))
    elif frames is None:
        wanted = motion.frames if timed or native is None else native.frames
    else:
        wanted = whole(frames, "frames", 2)
    if size is not None:
        chosen = as_size(size, "The size")
    elif backbone.nearest(motion.canvas, wanted)[0] == motion.canvas:
        chosen = motion.canvas
    else:
        chosen = native_size(backbone, native, motion.canvas, wanted)
    if frames is None:
        wanted, asked = backbone.nearest(chosen, wanted)[1], wanted
        if wanted != asked:
            notes.append(
                f"the motion has {asked} frames, the backbone {name!r} makes {wanted} of them"
            )
    check_extent(chosen, wanted)
    check_form(backbone, name, chosen, wanted)
    rate = fps if fps is not None else motion.fps if timed or native is None else native.fps
    if positive(rate, "fps") > MOST_FPS:
        raise InputError(f"fps must be at most {MOST_FPS:g}, got {rate!r}.")
    return VideoForm(size=chosen, frames=wanted, fps=float(rate), notes=tuple(notes))


def _frames(duration: float, fps: float) -> int:
    """How many frames a rate gives.

    Raises:
        InputError: more than anybody can mean.
    """
    if duration * fps > MOST_FRAMES:
        raise InputError(
            f"{duration:g} seconds at {fps:g} frames per second are more than {MOST_FRAMES} "
            "frames. Ask for a smaller fps, or name the frames."
        )
    return max(2, round(duration * fps))


def native_size(backbone: Backbone, native: NativeForm | None, canvas: Size, frames: int) -> Size:
    """The size of about ``native``'s area and the canvas's shape that the backbone can make."""
    if native is None:
        return backbone.nearest(canvas, frames)[0]
    area = native.size[0] * native.size[1]
    return backbone.nearest(size_like(canvas, area, native.multiple), frames)[0]


def size_like(shape: Size, area: int, step: int) -> Size:
    """The multiples of ``step`` near ``area`` pixels that are most like ``shape``.

    So a centre crop cuts away little: with multiples of 64 near 512x320, nothing of 1:1, 4:3, 3:2
    and 8:5.
    """
    aspect = shape[0] / shape[1]
    best: tuple[float, Size] | None = None
    for height in range(step, area // step, step):
        first = max(1, math.ceil(0.6 * area / height / step)) * step
        for width in range(first, min(area // step, int(1.4 * area / height) + 1), step):
            share = width * height / area
            error = abs(math.log(width / height / aspect)) + 0.1 * abs(math.log(share))
            if best is None or (error, (width, height)) < best:
                best = error, (width, height)
    return best[1] if best else (step, step)


def whole(value: Any, what: str, least: int | None = None) -> int:
    """A whole number as it is.

    Raises:
        InputError: it is of another type, or below ``least``.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{what} must be a whole number, got {value!r}.")
    number = int(value)
    if least is not None and number < least:
        raise InputError(f"{what} must be at least {least}, got {value!r}.")
    return number


def seed_of(value: Any) -> int:
    """A seed as it is.

    Raises:
        InputError: it is no whole number of 64 bits.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) not in SEEDS:
        raise InputError(
            f"A seed must be a whole number from {SEEDS[0]} to {SEEDS[-1]}, got {value!r}."
        )
    return int(value)


def positive(value: Any, what: str) -> float:
    """A positive, finite number as a float.

    Raises:
        InputError: it is of another type, or not above 0.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise InputError(f"{what} must be a positive number, got {value!r}.")
    return float(value)
