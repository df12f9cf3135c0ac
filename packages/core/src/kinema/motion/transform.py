"""Transforms: a region moved, turned and scaled by plain numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Box, Point, Size
from kinema.motion.timing import EASINGS, MIN_STEP, Easing, check_choice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Sides of pixels may differ by this share where something turns.
_SQUARE = 1e-6


@attrs.frozen(kw_only=True)
class Keyframe:
    """How a region has moved by a time, about a pivot.

    What is at p in the photo is then at ``pivot + (dx, dy) + scale R(turn) (p - pivot)``.

    Attributes:
        time: in [0, 1].
        dx, dy: canvas pixels that the pivot has moved, x right, y down.
        turn: degrees clockwise; more than 360 are several turns.
        scale: factor of the size, above 0.
        easing: of the way from the keyframe before.

    Raises:
        MotionError: a value is out of range or not finite.
    """

    time: float = attrs.field(default=1.0, converter=float)
    dx: float = attrs.field(default=0.0, converter=float)
    dy: float = attrs.field(default=0.0, converter=float)
    turn: float = attrs.field(default=0.0, converter=float)
    scale: float = attrs.field(default=1.0, converter=float)
    easing: Easing = "linear"

    def __attrs_post_init__(self) -> None:
        check_choice("easing", self.easing, EASINGS)
        for name in ("time", "dx", "dy", "turn", "scale"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise MotionError(f"A keyframe's {name} is not finite: {value!r}.")
        if not 0.0 <= self.time <= 1.0:
            raise MotionError(f"A keyframe's time must lie within [0, 1], got {self.time!r}.")
        if self.scale <= 0:
            raise MotionError(
                f"A keyframe's scale must be a factor above 0 (0.5 is half as large), got "
                f"{self.scale!r}."
            )

    @property
    def rests(self) -> bool:
        """Whether everything is where it is in the photo."""
        return (self.dx, self.dy, self.turn, self.scale) == (0.0, 0.0, 0.0, 1.0)

    @property
    def shifts_only(self) -> bool:
        """Whether it neither turns nor scales."""
        return (self.turn, self.scale) == (0.0, 1.0)

    def remapped(self, box: Box, canvas: Size) -> Keyframe:
        """This keyframe, when ``box`` of its canvas becomes ``canvas``.

        Raises:
            MotionError: it turns, and the pixels change their aspect.
        """
        across, down = canvas[0] / (box[2] - box[0]), canvas[1] / (box[3] - box[1])
        if self.turn and abs(across - down) > _SQUARE * max(across, down):
            raise MotionError(
                f"A region that turns by {self.turn:g} degrees cannot be resized to another "
                f"aspect: x by {across:.4g}, y by {down:.4g}. Crop it as well (Motion.fitted)."
            )
        return attrs.evolve(self, dx=self.dx * across, dy=self.dy * down)


#: The photo itself.
REST = Keyframe(time=0.0)


def as_keyframes(keyframes: Iterable[Any]) -> tuple[Keyframe, ...]:
    """Take keyframes, or mappings of their values, to a tuple in order of time.

    Raises:
        MotionError: two are at one time, or one at time 0 moves what the photo shows at rest.
    """
    found = [each if isinstance(each, Keyframe) else Keyframe(**each) for each in keyframes]
    found.sort(key=lambda each: each.time)
    for one, other in itertools.pairwise(found):
        if other.time - one.time < MIN_STEP:
            raise MotionError(
                f"Two keyframes of a region are at {one.time!r} and {other.time!r}; their times "
                f"must differ by {MIN_STEP:g} or more."
            )
    if found and found[0].time < MIN_STEP and not found[0].rests:
        raise MotionError(
            "A region's keyframe at time 0 moves it, but the clip begins with the photo as it is. "
            "Give that keyframe a later time."
        )
    return tuple(found)


def state_at(keyframes: Sequence[Keyframe], time: float) -> Keyframe:
    """How a region has moved at ``time``: linear between keyframes, each with its easing.

    Before the first keyframe it sets out from the photo, after the last it stays.
    """
    before = REST
    for after in keyframes:
        if time < after.time:
            part = (time - before.time) / (after.time - before.time)
            share = EASINGS[after.easing](part)
            dx, dy, turn, scale = (
                getattr(before, name) + share * (getattr(after, name) - getattr(before, name))
                for name in ("dx", "dy", "turn", "scale")
            )
            return Keyframe(time=time, dx=dx, dy=dy, turn=turn, scale=scale)
        before = after
    return attrs.evolve(before, time=time)


def placed(points: Any, pivot: Point, state: Keyframe) -> NDArray[np.float64]:
    """Where ``points`` (N, 2) of the photo are in a ``state``: (N, 2) canvas pixels."""
    import numpy as np

    angle = math.radians(state.turn)
    c, s = state.scale * math.cos(angle), state.scale * math.sin(angle)
    start = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    shift = np.array([state.dx, state.dy])
    moved: NDArray[np.float64] = start + shift
    if not state.shifts_only:
        # y points down, so this turns clockwise.
        moved = (start - pivot) @ np.array([[c, s], [-s, c]]) + pivot + shift
    return moved
