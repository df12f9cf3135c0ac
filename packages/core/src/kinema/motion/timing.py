"""Time inside a clip: 0 is the photo, 1 the last frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from kinema.errors import MotionError, suggestion

Easing = Literal["linear", "ease-in", "ease-out", "ease-in-out"]

#: Each easing takes time in [0, 1] to progress in [0, 1], with 0 -> 0 and 1 -> 1.
EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "ease-in": lambda t: t * t,
    "ease-out": lambda t: t * (2.0 - t),
    "ease-in-out": lambda t: t * t * (3.0 - 2.0 * t),
}


def frame_times(frames: int) -> list[float]:
    """Times of ``frames`` frames, evenly from 0 to 1.

    Raises:
        MotionError: fewer than two frames.
    """
    if frames < 2:
        raise MotionError(f"A clip needs at least 2 frames, got {frames!r}.")
    return [frame / (frames - 1) for frame in range(frames)]


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
