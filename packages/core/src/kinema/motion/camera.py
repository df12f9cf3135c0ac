"""Camera paths as a person states them: named moves, or poses per frame.

Axes are those of OpenCV: x right, y down, z forward. A pose is **world-to-camera**: it takes a
world point to camera coordinates, ``X_camera = R @ X_world + t``. Intrinsics are
``(fx, fy, cx, cy)`` in canvas pixels, pixel centres at integers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Box, Size, map_point
from kinema.motion.timing import EASINGS, Easing, check_choice, frame_times

Row = tuple[float, float, float, float]
Pose = tuple[Row, Row, Row]
Intrinsics = tuple[float, float, float, float]

#: Named camera moves, the unit of their amount, and what a positive amount does.
CAMERA_MOVES: dict[str, tuple[str, str]] = {
    "pan": ("degrees", "turn the camera right; the picture slides left"),
    "tilt": ("degrees", "turn the camera up; the picture slides down"),
    "roll": ("degrees", "turn the camera clockwise; the picture turns counter-clockwise"),
    "truck": ("scene depths", "move the camera right; near things slide left"),
    "pedestal": ("scene depths", "move the camera up; near things slide down"),
    "dolly": ("scene depths", "move the camera forward; near things grow"),
    "zoom": ("factor", "multiply the focal length; 1.2 magnifies by a fifth, 0.8 widens"),
    "orbit": ("degrees", "circle right around the scene's middle, still looking at it"),
}

#: How far a rotation may be from orthonormal before the pose is refused.
RIGID_TOLERANCE = 1e-3


def _finite(values: Iterable[float], what: str) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(math.isfinite(number) for number in numbers):
        raise MotionError(f"{what} holds a number that is not finite: {numbers!r}.")
    return numbers


def _pose(matrix: Any) -> Pose:
    rows = [_finite(row, "A camera pose") for row in matrix]
    if len(rows) == 4 and rows[3] != (0.0, 0.0, 0.0, 1.0):
        raise MotionError(
            f"A 4x4 camera pose ends in {rows[3]!r}; its last row must be (0, 0, 0, 1). "
            "Is the matrix transposed?"
        )
    if len(rows) not in (3, 4) or any(len(row) != 4 for row in rows):
        shape = [len(row) for row in rows]
        raise MotionError(f"A camera pose must be 3x4 or 4x4, got rows of lengths {shape!r}.")
    return rows[0], rows[1], rows[2]  # type: ignore[return-value]


def _poses(matrices: Any) -> tuple[Pose, ...]:
    return tuple(_pose(matrix) for matrix in matrices)


def _intrinsics(rows: Any) -> tuple[Intrinsics, ...]:
    values = tuple(_finite(row, "Camera intrinsics") for row in rows)
    for row in values:
        if len(row) != 4 or row[0] <= 0 or row[1] <= 0:
            raise MotionError(
                f"Camera intrinsics must be (fx, fy, cx, cy) in canvas pixels with positive focal "
                f"lengths, got {row!r}."
            )
    return values  # type: ignore[return-value]


def rigid_fault(pose: Pose) -> str | None:
    """Say in words why ``pose`` is not a rigid motion, or return None if it is."""
    rotation = [row[:3] for row in pose]
    for i in range(3):
        for j in range(i, 3):
            dot = sum(a * b for a, b in zip(rotation[i], rotation[j], strict=True))
            if abs(dot - (1.0 if i == j else 0.0)) > RIGID_TOLERANCE:
                return f"its rotation is not orthonormal (rows {i} and {j} give {dot:.4g})"
    x, y, z = rotation
    across = (x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0])
    if sum(a * b for a, b in zip(across, z, strict=True)) < 0:
        return "its rotation mirrors (determinant -1); one axis points the wrong way"
    return None


@attrs.frozen
class CameraMove:
    """One named camera move over the whole clip.

    ``name`` is a key of :data:`CAMERA_MOVES`. ``amount`` is where the move ends at time 1: degrees
    for turns, a fraction of the scene's depth (the photo's median depth) for translations, a factor
    for ``zoom``.

    Raises:
        MotionError: the name is unknown, or the amount is not finite (or not positive, for zoom).
    """

    name: str = attrs.field()
    amount: float = attrs.field(converter=float)
    easing: Easing = "linear"

    def __attrs_post_init__(self) -> None:
        check_choice("camera move", self.name, CAMERA_MOVES)
        check_choice("easing", self.easing, EASINGS)
        if not math.isfinite(self.amount) or (self.name == "zoom" and self.amount <= 0):
            unit = CAMERA_MOVES[self.name][0]
            raise MotionError(
                f"Camera move {self.name!r} got the amount {self.amount!r}; it needs a finite "
                f"{'positive ' if self.name == 'zoom' else ''}number ({unit})."
            )


def _clock(times: Any) -> tuple[float, ...]:
    clock = _finite(times, "A camera path's clock")
    if clock and (len(clock) < 2 or clock[0] != 0 or not all(0 <= time <= 1 for time in clock)):
        raise MotionError(
            f"A camera path's clock needs two or more times in [0, 1], the first of them 0, got "
            f"{clock!r}."
        )
    return clock


def _moves(moves: Any) -> tuple[CameraMove, ...]:
    return tuple(move if isinstance(move, CameraMove) else CameraMove(**move) for move in moves)


@attrs.frozen(kw_only=True)
class CameraPath:
    """A camera over the clip: either named ``moves``, or ``world_to_camera`` poses per frame.

    Attributes:
        moves: applied together, in order, each over the whole clip.
        world_to_camera: one 3x4 pose per frame, in units of the depth (metres where it is metric).
        intrinsics: ``(fx, fy, cx, cy)`` in canvas pixels, one per frame or one for all; empty
            means the default focal length of the condition that projects.
        clock: which time of the path is shown when: times in [0, 1], spread evenly over the clip
            and joined linearly, the first of them 0; empty means from 0 to 1.

    Raises:
        MotionError: both or neither are given, a shape is wrong, or a pose is not rigid.
    """

    moves: tuple[CameraMove, ...] = attrs.field(default=(), converter=_moves)
    world_to_camera: tuple[Pose, ...] = attrs.field(default=(), converter=_poses)
    intrinsics: tuple[Intrinsics, ...] = attrs.field(default=(), converter=_intrinsics)
    clock: tuple[float, ...] = attrs.field(default=(), converter=_clock)

    def __attrs_post_init__(self) -> None:
        if bool(self.moves) == bool(self.world_to_camera):
            raise MotionError(
                "A camera path needs either named moves or world_to_camera poses, and not both; "
                f"got {len(self.moves)} moves and {len(self.world_to_camera)} poses."
            )
        if len(self.world_to_camera) == 1:
            raise MotionError("A camera path of poses needs at least two frames, got one.")
        poses = len(self.world_to_camera)
        if (self.moves and len(self.intrinsics) > 1) or (
            poses and len(self.intrinsics) not in (0, 1, poses)
        ):
            raise MotionError(
                f"A camera path has {poses} poses but {len(self.intrinsics)} sets of intrinsics; "
                "give one for all, or one per frame."
            )
        for frame, pose in enumerate(self.world_to_camera):
            fault = rigid_fault(pose)
            if fault:
                raise MotionError(f"Camera pose of frame {frame} is not rigid: {fault}.")

    @classmethod
    def parse(cls, text: str) -> CameraPath:
        """Read ``"orbit:15"`` or several moves joined by ``+``, as in ``"pan:5+zoom:1.2:gentle"``.

        What follows the amount is its easing.

        Raises:
            MotionError: a move is unknown or has no amount.
        """
        moves = []
        for part in text.split("+"):
            name, _, rest = part.strip().partition(":")
            amount, _, easing = rest.partition(":")
            check_choice("camera move", name, CAMERA_MOVES)
            try:
                moves.append(CameraMove(name, float(amount), easing or "linear"))  # type: ignore[arg-type]
            except ValueError as error:
                if isinstance(error, MotionError):
                    raise
                unit = CAMERA_MOVES[name][0]
                raise MotionError(
                    f"Camera move {part.strip()!r} has no amount; write {name}:AMOUNT ({unit})."
                ) from None
        return cls(moves=tuple(moves))

    def times(self, frames: int) -> list[float]:
        """Which time of the path each of ``frames`` frames shows.

        Raises:
            MotionError: fewer than two frames.
        """
        return list(self.clock) if len(self.clock) == frames else self.at(frame_times(frames))

    def at(self, times: Sequence[float]) -> list[float]:
        """Which times of the path are shown at ``times`` in [0, 1] of the clip."""
        if not self.clock:
            return list(times)
        import numpy as np

        knots = np.linspace(0.0, 1.0, len(self.clock))
        return [float(time) for time in np.interp(times, knots, self.clock)]

    def remapped(self, box: Box, canvas: Size) -> CameraPath:
        """This path, its intrinsics moved along, when ``box`` becomes ``canvas``."""
        across, down = canvas[0] / (box[2] - box[0]), canvas[1] / (box[3] - box[1])
        intrinsics = [
            (fx * across, fy * down, *map_point((cx, cy), box, canvas))
            for fx, fy, cx, cy in self.intrinsics
        ]
        return attrs.evolve(self, intrinsics=intrinsics)
