"""Time inside a clip: 0 is the photo, 1 the last frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

from kinema.errors import MotionError, suggestion

Easing = Literal["linear", "ease-in", "ease-out", "ease-in-out", "gentle"]

#: How the time of a Motion runs over its clip.
Playback = Literal["once", "loop", "ping-pong"]

#: Two points of a drag, or two keyframes, are at least this part of the clip apart.
MIN_STEP = 1e-6

PLAYBACKS: tuple[Playback, ...] = ("once", "loop", "ping-pong")

#: Each easing takes time in [0, 1] to progress in [0, 1], with 0 -> 0 and 1 -> 1. ``gentle`` starts
#: and ends without a jerk: also its acceleration is 0 there (smootherstep, Perlin 2002).
EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "ease-in": lambda t: t * t,
    "ease-out": lambda t: t * (2.0 - t),
    "ease-in-out": lambda t: t * t * (3.0 - 2.0 * t),
    "gentle": lambda t: t * t * t * (10.0 + t * (6.0 * t - 15.0)),
}


def frame_times(frames: int) -> list[float]:
    """Times of ``frames`` frames, evenly from 0 to 1.

    Raises:
        MotionError: fewer than two frames.
    """
    if frames < 2:
        raise MotionError(f"A clip needs at least 2 frames, got {frames!r}.")
    return [frame / (frames - 1) for frame in range(frames)]


def clip_times(frames: int, playback: Playback = "once", cycles: int = 1) -> list[float]:
    """The time in [0, 1] of a Motion that each frame shows; frame 0 shows time 0.

    ``once`` is :func:`frame_times`. ``loop`` goes from 0 to 1 ``cycles`` times, ``ping-pong`` to 1
    and back as often. Both end one frame before they would begin again, so that a player that
    repeats the clip shows no frame twice.

    Raises:
        MotionError: fewer than two frames.
    """
    if playback == "once":
        return frame_times(frames)
    frame_times(frames)  # refuses a single frame
    rounds = [math.modf(cycles * frame / frames)[0] for frame in range(frames)]
    if playback == "loop":
        return rounds
    return [1.0 - abs(1.0 - 2.0 * part) for part in rounds]


def check_choice(what: str, value: object, choices: Iterable[str]) -> None:
    """Refuse a value that is not one of ``choices``.

    Raises:
        MotionError: it is not.
    """
    names = list(choices)
    if value not in names:
        raise MotionError(
            f"Unknown {what} {value!r}.{suggestion(str(value), names)} "
            f"Choose one of: {', '.join(names)}."
        )
