"""Tracks: many points given frame by frame, each visible or not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Box, Point, Size, as_points, map_point
from kinema.motion.timing import frame_times

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _points(frames: Iterable[Any]) -> tuple[tuple[Point, ...], ...]:
    return tuple(as_points(points, f"track frame {t}", finite=False) for t, points in _rows(frames))


def _rows(frames: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    # Plain numbers are checked many times faster than those of numpy.
    listed = getattr(frames, "tolist", None)
    return enumerate(frames if listed is None else listed())


def _visible(frames: Iterable[Any]) -> tuple[tuple[bool, ...], ...]:
    return tuple(tuple(bool(flag) for flag in flags) for flags in frames)


@attrs.frozen(kw_only=True)
class Tracks:
    """N points over T frames, evenly from time 0 to 1.

    Where a point is hidden nobody saw it, so what a file says of its place there counts for
    nothing, be it zeros, NaN or a tracker's guess. Two tracks that are alike in what is visible are
    equal: a hidden point stays where it was last seen until it is seen again, waits where it is
    first seen, and lies at (0, 0) if it is never seen.

    Attributes:
        points: (T, N, 2) canvas pixels; frame 0 says which points of the photo move.
        visible: (T, N); empty means always visible.

    Raises:
        MotionError: fewer than two frames, ragged rows, no point, another shape of ``visible``, or
            a visible point that is not finite.
    """

    points: tuple[tuple[Point, ...], ...] = attrs.field(converter=_points)
    visible: tuple[tuple[bool, ...], ...] = attrs.field(default=(), converter=_visible)

    def __attrs_post_init__(self) -> None:
        widths = {len(row) for row in self.points}
        if len(self.points) < 2 or len(widths) != 1 or widths == {0}:
            raise MotionError(
                "Tracks need at least 2 frames with the same number of points, at least 1 in each; "
                f"got {len(self.points)} frames with {sorted(widths)} points."
            )
        if self.visible:
            flags = {len(row) for row in self.visible}
            if len(self.visible) != len(self.points) or flags != widths:
                raise MotionError(
                    f"Track visibility has {len(self.visible)} frames of {sorted(flags)} points, "
                    f"the points have {len(self.points)} frames of {sorted(widths)}."
                )
            if not all(all(row) for row in self.visible):
                object.__setattr__(self, "points", _without_hidden(self.points, self.visible))
        for t, row in enumerate(self.points):
            for number, point in enumerate(row):
                if not (math.isfinite(point[0]) and math.isfinite(point[1])):
                    raise MotionError(
                        f"Point {number} of track frame {t} is not finite: {point!r}. Mark it as "
                        "hidden, if nobody saw it."
                    )

    @property
    def seen(self) -> tuple[bool, ...]:
        """(N,): whether each point is visible in frame 0, and so is a point of the photo."""
        return self.visible[0] if self.visible else (True,) * len(self.points[0])

    def arrays(self, frames: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Points ``(T, N, 2)`` in canvas pixels and visibility ``(T, N)``, resampled to ``frames``.

        Positions are interpolated linearly between frames that show a point; a resampled point is
        visible where both of its neighbours in time are, and else held as :class:`Tracks` says.
        """
        points, visible = self._arrays()
        if frames is None or frames == len(points):
            return points, visible
        return self.at(frame_times(frames))

    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        import numpy as np

        points = np.array(self.points, dtype=np.float64)
        visible = (
            np.array(self.visible, dtype=bool) if self.visible else np.ones(points.shape[:2], bool)
        )
        return points, visible

    def at(self, times: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Points and visibility as in :meth:`arrays`, at ``times`` in [0, 1]."""
        import numpy as np

        points, visible = self._arrays()
        at = np.array(times) * (len(points) - 1)
        low = np.minimum(at.astype(int), len(points) - 2)
        part = (at - low)[:, None]
        seen = (visible[low] | (part == 1)) & (visible[low + 1] | (part == 0))
        # What is held until it is seen again does not set out for there before.
        part = np.where(seen | (part == 1), part, 0.0)[..., None]
        return points[low] * (1 - part) + points[low + 1] * part, seen

    def remapped(self, box: Box, canvas: Size) -> Tracks:
        """These tracks, when ``box`` of their canvas becomes ``canvas``."""
        points = [[map_point(p, box, canvas) for p in row] for row in self.points]
        return attrs.evolve(self, points=points)


def _without_hidden(
    points: tuple[tuple[Point, ...], ...], visible: tuple[tuple[bool, ...], ...]
) -> tuple[tuple[Point, ...], ...]:
    """The points with the places of hidden ones taken from where they are seen."""
    tracks = []
    for track, flags in zip(zip(*points, strict=True), zip(*visible, strict=True), strict=True):
        tracks.append(track if all(flags) else _held(track, flags))
    return tuple(zip(*tracks, strict=True))


def _held(track: tuple[Point, ...], flags: tuple[bool, ...]) -> tuple[Point, ...]:
    seen = [t for t, flag in enumerate(flags) if flag]
    if not seen:
        return ((0.0, 0.0),) * len(track)
    held = [track[seen[0]]] * seen[0]
    for before, after in itertools.pairwise([*seen, len(track)]):
        held += [track[before]] * (after - before)
    return tuple(held)
