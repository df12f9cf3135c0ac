"""Drags: where a point of the photo goes over the clip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Box, Point, Size, as_points, map_point
from kinema.motion.timing import EASINGS, MIN_STEP, Easing, check_choice, frame_times

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Interpolation = Literal["pchip", "linear"]


def _drag_points(points: Iterable[Any]) -> tuple[Point, ...]:
    return as_points(points, "a drag")


def _times(times: Iterable[Any] | None) -> tuple[float, ...] | None:
    return None if times is None else tuple(float(time) for time in times)


@attrs.frozen
class Drag:
    """A polyline that a point of the photo follows, or a still anchor if it has one point.

    Attributes:
        points: (x, y) canvas pixels; the first is the point of the photo that moves.
        times: when each point is reached, in [0, 1] and strictly increasing; None spreads the
            points evenly. Before the first time the point rests at its start, after the last it
            stays at its end.
        easing: warps the clip's time before the path is read.
        region: name of the region this drag moves; empty means the topmost one under its start.

    Raises:
        MotionError: no point, a coordinate that is not finite, or times that do not fit.
    """

    points: tuple[Point, ...] = attrs.field(converter=_drag_points)
    times: tuple[float, ...] | None = attrs.field(default=None, converter=_times, kw_only=True)
    easing: Easing = attrs.field(default="linear", kw_only=True)
    region: str = attrs.field(default="", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not self.points:
            raise MotionError("A drag needs at least one (x, y) point, got none.")
        check_choice("easing", self.easing, EASINGS)
        if self.times is None:
            return
        if len(self.times) != len(self.points):
            raise MotionError(
                f"A drag has {len(self.points)} points but {len(self.times)} times; give one each."
            )
        # Closer times make the slopes of the cubic overflow.
        increasing = all(
            b - a >= MIN_STEP for a, b in zip(self.times, self.times[1:], strict=False)
        )
        if not increasing or not all(0.0 <= time <= 1.0 for time in self.times):
            raise MotionError(
                f"Drag times must increase strictly within [0, 1], by {MIN_STEP:g} or more, got "
                f"{self.times!r}."
            )

    @property
    def is_anchor(self) -> bool:
        """Whether this drag holds its point still."""
        return len(self.points) == 1

    def path(self, frames: int, interpolation: Interpolation = "pchip") -> NDArray[np.float64]:
        """Where the point is in each frame, ``(T, 2)`` canvas pixels; row 0 is the start.

        ``pchip`` is the shape-preserving cubic of Fritsch and Carlson (1980), as in MotionPro.

        Raises:
            MotionError: fewer than two frames, or an unknown interpolation.
        """
        return self.at(frame_times(frames), interpolation)

    def at(
        self, times: Sequence[float], interpolation: Interpolation = "pchip"
    ) -> NDArray[np.float64]:
        """Where the point is at ``times`` in [0, 1], one row of (x, y) canvas pixels for each.

        Raises:
            MotionError: an unknown interpolation.
        """
        import numpy as np

        from kinema.motion.pchip import pchip

        check_choice("interpolation", interpolation, ("pchip", "linear"))
        clock = np.array([EASINGS[self.easing](time) for time in times])
        points = np.array(self.points, dtype=np.float64)
        if self.is_anchor:
            return np.repeat(points, len(times), axis=0)
        knots = np.linspace(0.0, 1.0, len(points)) if self.times is None else np.array(self.times)
        clock = np.clip(clock, knots[0], knots[-1])
        if interpolation == "linear":
            return np.stack([np.interp(clock, knots, points[:, axis]) for axis in (0, 1)], axis=1)
        return pchip(knots, points, clock)

    def remapped(self, box: Box, canvas: Size) -> Drag:
        """This drag, when ``box`` of its canvas becomes ``canvas``."""
        return attrs.evolve(self, points=[map_point(p, box, canvas) for p in self.points])
