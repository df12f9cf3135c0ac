"""Hypothesis strategies that draw Motions and their parts, for property tests of plugins.

>>> from hypothesis import given
>>> from kinema.testing.strategies import motions
>>> @given(motions(camera=False))
... def test_my_condition(motion): ...

Every value they draw is valid, and small enough for a test: canvases of at most 96 px a side.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import attrs
import hypothesis.strategies as st

from kinema.motion.camera import CAMERA_MOVES, CameraMove, CameraPath, Intrinsics, Pose
from kinema.motion.canvas import Point, Size
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.motion.timing import EASINGS, PLAYBACKS
from kinema.motion.tracks import Tracks
from kinema.motion.transform import Keyframe

__all__ = [
    "camera_moves",
    "camera_paths",
    "canvases",
    "drags",
    "keyframes",
    "masks",
    "motions",
    "moving_regions",
    "points",
    "poses",
    "regions",
    "tracks",
]


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


def canvases(least: int = 8, most: int = 96) -> st.SearchStrategy[Size]:
    """Sizes (width, height) with sides from ``least`` to ``most`` pixels."""
    side = st.integers(least, most)
    return st.tuples(side, side)


def points(canvas: Size, margin: float = 0.0) -> st.SearchStrategy[Point]:
    """Points (x, y) inside the canvas, or up to ``margin`` pixels around it.

    They keep 1e-4 px from the canvas's edge, so that rounding cannot carry one across, not even in
    float32.
    """
    edge = 1e-4 - 0.5 - margin
    return st.tuples(*(_floats(edge, side - 1 - edge) for side in canvas))


@st.composite
def drags(draw: st.DrawFn, canvas: Size, most_points: int = 5, region: str = "") -> Drag:
    """Drags that start inside the canvas and may leave it; one point makes an anchor."""
    start = draw(points(canvas))
    rest = draw(st.lists(points(canvas, margin=20.0), max_size=most_points - 1))
    steps = draw(
        st.none() | st.lists(st.integers(1, 20), min_size=len(rest) + 1, max_size=len(rest) + 1)
    )
    times = None
    if steps is not None:
        ends = [sum(steps[: count + 1]) for count in range(len(steps))]
        times = [end / (ends[-1] + draw(st.integers(0, 5))) for end in ends]
        times = times if all(a < b for a, b in itertools.pairwise(times)) else None
    easing: Any = draw(st.sampled_from(list(EASINGS)))
    return Drag([start, *rest], times=times, easing=easing, region=region)


@st.composite
def masks(draw: st.DrawFn, canvas: Size) -> Any:
    """Boolean arrays ``(H, W)``: a rectangle of the canvas, never empty."""
    import numpy as np

    left, top = (draw(st.integers(0, side - 1)) for side in canvas)
    right, bottom = draw(st.integers(left + 1, canvas[0])), draw(st.integers(top + 1, canvas[1]))
    mask = np.zeros((canvas[1], canvas[0]), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


@st.composite
def regions(draw: st.DrawFn, canvas: Size, name: str = "") -> Region:
    """Polygons, brushes and embedded masks."""
    kind = draw(st.sampled_from(["polygon", "brush", "png"]))
    if kind == "png":
        return Region.from_array(draw(masks(canvas)), name=name)
    if kind == "polygon":
        corners = st.lists(points(canvas, margin=10.0), min_size=3, max_size=6)
        return Region(polygon=draw(corners), name=name)
    stroke = draw(st.lists(points(canvas), min_size=1, max_size=4))
    return Region(brush=stroke, radius=draw(_floats(0.5, 20.0)), name=name)


@st.composite
def keyframes(draw: st.DrawFn, canvas: Size) -> list[Keyframe]:
    """Up to three keyframes of a region, at times after 0; not every one moves."""
    times = draw(st.lists(st.integers(1, 20), max_size=3, unique=True))
    away = _floats(-1.0 * max(canvas), 1.0 * max(canvas))
    easing: Any = st.sampled_from(list(EASINGS))
    return [
        Keyframe(
            time=time / 20,
            dx=draw(away),
            dy=draw(away),
            turn=draw(_floats(-720.0, 720.0)),
            scale=draw(_floats(0.1, 4.0)),
            easing=draw(easing),
        )
        for time in times
    ]


@st.composite
def moving_regions(draw: st.DrawFn, canvas: Size, name: str = "") -> Region:
    """Regions that move, turn, scale and grow as a whole, and appear and vanish."""
    transform = draw(keyframes(canvas))
    times = sorted(draw(st.sets(st.integers(0, 20), min_size=2, max_size=2)))
    return attrs.evolve(
        draw(regions(canvas, name)),
        transform=transform,
        pivot=draw(st.none() | points(canvas, margin=50.0)) if transform else None,
        grow=draw(_floats(-3.0, 9.0)),
        scaling=draw(st.booleans()),
        attached=draw(st.sampled_from([None, True, False])),
        appears=draw(st.sampled_from([0.0, times[0] / 20])),
        vanishes=draw(st.none() | st.just(times[1] / 20)),
    )


@st.composite
def tracks(draw: st.DrawFn, canvas: Size, frames: int | None = None) -> Tracks:
    """Tracks of 1 to 4 points over 2 to 9 frames (or ``frames``), some hidden."""
    count = draw(st.integers(1, 4))
    length = frames if frames is not None else draw(st.integers(2, 9))
    rows = [draw(st.lists(points(canvas), min_size=count, max_size=count))]
    away = st.lists(points(canvas, margin=20.0), min_size=count, max_size=count)
    rows += [draw(away) for _ in range(length - 1)]
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    visible = draw(st.just([]) | st.lists(flags, min_size=length, max_size=length))
    return Tracks(points=rows, visible=visible)


def _rotation(axis: int, angle: float) -> list[list[float]]:
    c, s = math.cos(angle), math.sin(angle)
    rows = [[float(i == j) for j in range(3)] for i in range(3)]
    a, b = (axis + 1) % 3, (axis + 2) % 3
    rows[a][a], rows[a][b], rows[b][a], rows[b][b] = c, -s, s, c
    return rows


@st.composite
def poses(draw: st.DrawFn, most_degrees: float = 180.0) -> Pose:
    """Rigid world-to-camera poses."""
    rotation = _rotation(0, 0.0)
    for axis in range(3):
        turn = _rotation(axis, math.radians(draw(_floats(-most_degrees, most_degrees))))
        columns = list(zip(*turn, strict=True))
        rotation = [
            [sum(a * b for a, b in zip(row, column, strict=True)) for column in columns]
            for row in rotation
        ]
    x, y, z = ((*row, draw(_floats(-10.0, 10.0))) for row in rotation)
    return x, y, z  # type: ignore[return-value]


def _intrinsics(canvas: Size) -> st.SearchStrategy[Intrinsics]:
    longest = max(canvas)
    return st.tuples(
        _floats(0.3 * longest, 3.0 * longest),
        _floats(0.3 * longest, 3.0 * longest),
        _floats(0.0, canvas[0] - 1.0),
        _floats(0.0, canvas[1] - 1.0),
    )


@st.composite
def camera_moves(draw: st.DrawFn) -> CameraMove:
    """Named moves of a modest amount."""
    name = draw(st.sampled_from(list(CAMERA_MOVES)))
    unit = CAMERA_MOVES[name][0]
    limits = {"degrees": (-30.0, 30.0), "scene depths": (-0.5, 0.5), "factor": (0.5, 2.0)}
    easing: Any = draw(st.sampled_from(list(EASINGS)))
    return CameraMove(name, draw(_floats(*limits[unit])), easing)


@st.composite
def camera_paths(draw: st.DrawFn, canvas: Size, moves: bool | None = None) -> CameraPath:
    """Camera paths: named moves, or poses over 2 to 6 frames; ``moves`` asks for one of the two."""
    if moves is None:
        moves = draw(st.booleans())
    if moves:
        lens = draw(st.lists(_intrinsics(canvas), max_size=1))
        return CameraPath(
            moves=draw(st.lists(camera_moves(), min_size=1, max_size=3)), intrinsics=lens
        )
    path = draw(st.lists(poses(), min_size=2, max_size=6))
    lens = draw(
        st.lists(_intrinsics(canvas), max_size=1)
        | st.lists(_intrinsics(canvas), min_size=len(path), max_size=len(path))
    )
    return CameraPath(world_to_camera=path, intrinsics=lens)


@st.composite
def motions(
    draw: st.DrawFn,
    canvas: Size | None = None,
    *,
    camera: bool = True,
    with_tracks: bool = True,
    with_regions: bool = True,
    with_transforms: bool = False,
) -> Motion:
    """Whole Motions; the flags leave parts out, ``canvas`` fixes the canvas.

    ``with_transforms`` adds what not every condition has to express: transforms of regions (that
    drags may contradict), regions that appear or vanish, and playback.
    """
    size = canvas if canvas is not None else draw(canvases())
    parts = []
    if with_regions:
        names = draw(st.lists(st.sampled_from(["", "cup", "hand", "sky"]), max_size=3))
        names = [name for n, name in enumerate(names) if not name or name not in names[:n]]
        kind = moving_regions if with_transforms else regions
        parts = [draw(kind(size, name)) for name in names]
    known = [""] + [part.name for part in parts if part.name]
    count = draw(st.integers(0, 3))
    playback: Any = draw(st.sampled_from(PLAYBACKS)) if with_transforms else "once"
    return Motion(
        canvas=size,
        drags=[draw(drags(size, region=draw(st.sampled_from(known)))) for _ in range(count)],
        regions=parts,
        tracks=draw(st.none() | tracks(size)) if with_tracks else None,
        camera=draw(st.none() | camera_paths(size)) if camera else None,
        fps=draw(_floats(1.0, 60.0)),
        duration=draw(_floats(0.1, 10.0)),
        playback=playback,
        cycles=1 if playback == "once" else draw(st.integers(1, 3)),
    )
