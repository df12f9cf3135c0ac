"""Objects of synthetic scenes: their outlines, parts and ways of moving."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinema.motion.canvas import Size
from kinema.motion.timing import EASINGS
from kinema_conditions.synthetic.rendering import SAMPLES, texture_way
from kinema_conditions.synthetic.scene import Array, Layer
from kinema_conditions.synthetic.shapes import Blob, Limb, Shape
from kinema_conditions.synthetic.textures import surface
from kinema_conditions.synthetic_config import SyntheticConfig

Point = tuple[float, float]
Box = tuple[float, float, float, float]

#: The most that an object slides per frame, in widths of the canvas, and turns, in radians.
STEP = 0.05
TURN = 0.2


def make_object(
    rng: np.random.Generator,
    kind: str,
    owner: int,
    depth: float,
    size: Size,
    frames: int,
    config: SyntheticConfig,
) -> list[Layer]:
    """The layers of one object, from the farthest to the nearest.

    Args:
        rng: where all chance comes from.
        kind: a key of :data:`kinema_conditions.synthetic_config.KINDS`.
        owner: its number.
        depth: of its plane, which faces the first camera.
        size: (width, height).
        frames: T.
        config: how far it may move, and what it is made of.
    """
    crossing = kind == "occluding"
    centre = _start(rng, size, crossing)
    radius = min(size) * float(rng.uniform(0.17, 0.34))
    motion = _slide(rng, kind, centre, size, frames, config)
    if kind == "articulated":
        parts = _creature(rng, centre, 0.75 * radius, motion)
    else:
        parts = [("body", _blob(rng, centre, radius, slim=crossing), motion)]
    left, top, right, bottom = _around([shape.box() for _, shape, _ in parts])
    texels = (round((right - left) * SAMPLES), round((bottom - top) * SAMPLES))
    whole = surface(rng, texels, config.textures)
    layers = []
    for name, shape, moved in parts:
        x0, y0, x1, y1 = _around([shape.box()])
        rows = slice((y0 - top) * SAMPLES, (y1 - top) * SAMPLES)
        columns = slice((x0 - left) * SAMPLES, (x1 - left) * SAMPLES)
        layers.append(
            Layer(
                name=name,
                owner=owner,
                shape=shape,
                texture=whole[rows, columns],
                to_texture=texture_way(x0, y0),
                inverse_depth=(0.0, 0.0, 1 / depth),
                motion=moved,
            )
        )
    return layers


def about(centre: Point, linear: Array, shift: Array) -> Array:
    """``(T, 3, 3)``: the maps ``linear`` (T, 2, 2) about ``centre``, then ``shift`` (T, 2)."""
    ways = np.tile(np.eye(3), (len(linear), 1, 1))
    middle = np.array(centre)
    ways[:, :2, :2] = linear
    ways[:, :2, 2] = middle - linear @ middle + shift
    return ways


def turned(angles: Array) -> Array:
    """Rotations ``(T, 2, 2)`` by ``angles`` (T,) in radians, clockwise on screen."""
    cos, sin = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def _around(boxes: Sequence[Box]) -> tuple[int, int, int, int]:
    """The smallest box of whole pixels that leaves two free around ``boxes``."""
    edges = np.array(boxes)
    low, high = np.floor(edges[:, :2].min(0)) - 2, np.ceil(edges[:, 2:].max(0)) + 2
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _start(rng: np.random.Generator, size: Size, crossing: bool) -> Point:
    x, y = rng.uniform(0.22, 0.78, 2)
    if crossing:
        x = rng.choice([0.06, 0.94])
    return float(x * size[0]), float(y * size[1])


def _blob(rng: np.random.Generator, centre: Point, radius: float, slim: bool) -> Blob:
    flatness = rng.uniform(0.35, 0.55) if slim else rng.uniform(0.65, 1.0)
    counts = rng.choice(np.arange(2, 7), size=3, replace=False)
    return Blob(
        centre=centre,
        radii=(radius, float(radius * flatness)),
        angle=float(rng.uniform(0, np.pi)) if not slim else float(np.pi / 2 + rng.normal(0, 0.2)),
        waves=tuple(
            (int(count), float(rng.uniform(0.02, 0.3 / count)), float(rng.uniform(0, 2 * np.pi)))
            for count in counts
        ),
    )


def _slide(
    rng: np.random.Generator,
    kind: str,
    centre: Point,
    size: Size,
    frames: int,
    config: SyntheticConfig,
) -> Array:
    """The motion of a whole object, ``(T, 3, 3)``."""
    reach = min(config.travel, STEP * (frames - 1)) * size[0]
    end = _direction(rng, centre, size, reach * float(rng.uniform(0.4, 1.0)), kind)
    ease = EASINGS[str(rng.choice(["linear", "ease-in", "ease-out", "ease-in-out"]))]
    time = np.array([ease(frame / (frames - 1)) for frame in range(frames)])[:, None]
    bend = float(rng.uniform(-0.3, 0.3)) * np.array([-end[1], end[0]])
    shift = time * end + 4 * time * (1 - time) * bend
    if kind == "sliding":
        return about(centre, np.tile(np.eye(2), (frames, 1, 1)), shift)
    turns = {"rotating": rng.uniform(0.8, 2.6), "affine": 0.25, "articulated": 0.15}
    most = min(turns.get(kind, 0.3), TURN * (frames - 1))
    angles = time[:, 0] * most * rng.choice([-1, 1]) * rng.uniform(0.6, 1.0)
    wide = kind == "affine"
    growth = rng.uniform(-0.4, 0.4) if wide else rng.uniform(-0.15, 0.15)
    linear = turned(angles) * np.exp(time * growth)[..., None]
    if wide:
        shear = np.tile(np.eye(2), (frames, 1, 1))
        shear[:, 0, 1] = time[:, 0] * rng.uniform(-0.25, 0.25)
        linear = linear @ shear
    return about(centre, linear, shift)


def _direction(
    rng: np.random.Generator, centre: Point, size: Size, reach: float, kind: str
) -> Array:
    """Where an object ends, as a shift: across the picture, or anywhere that stays well inside."""
    canvas, start = np.array(size, dtype=np.float64), np.array(centre)
    if kind == "occluding":
        aim = canvas * rng.uniform(0.35, 0.65, 2) - start
        across: Array = aim / np.linalg.norm(aim) * reach
        return across
    angles = rng.uniform(0, 2 * np.pi, 8)
    ends = start + reach * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    outside = np.maximum(0.15 - ends / canvas, ends / canvas - 0.85).max(axis=-1).clip(0)
    best: Array = ends[int(np.argmin(outside))] - start
    return best


def _creature(
    rng: np.random.Generator, centre: Point, radius: float, motion: Array
) -> list[tuple[str, Shape, Array]]:
    """A body with limbs, some behind it and some before it, each with its own motion."""
    body = Blob(
        centre=centre,
        radii=(radius, float(radius * rng.uniform(0.6, 0.85))),
        angle=float(rng.uniform(0, np.pi)),
        waves=((3, 0.05, float(rng.uniform(0, 6))),),
    )
    behind: list[tuple[str, Shape, Array]] = []
    before: list[tuple[str, Shape, Array]] = []
    count = int(rng.integers(2, 5))
    angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count
    for angle in angles + rng.uniform(-0.3, 0.3, count):
        limb = _limb(rng, centre, 0.6 * radius, float(angle), radius, motion)
        (before if rng.random() < 0.5 else behind).extend(limb)
    return [*behind, ("body", body, motion), *before]


def _limb(
    rng: np.random.Generator,
    centre: Point,
    away: float,
    angle: float,
    radius: float,
    motion: Array,
) -> list[tuple[str, Shape, Array]]:
    """An arm from a joint inside the body, and perhaps a hand that swings at its end."""
    ray = np.array([np.cos(angle), np.sin(angle)])
    joint = np.array(centre) + away * ray
    elbow = joint + radius * rng.uniform(0.9, 1.3) * ray
    width = radius * float(rng.uniform(0.2, 0.3))
    moved = motion @ about(_point(joint), turned(_swing(rng, len(motion))), np.zeros(2))
    arm = Limb(start=_point(joint), end=_point(elbow), widths=(width, 0.8 * width))
    if rng.random() < 0.5:
        return [("arm", arm, moved)]
    bent = angle + rng.uniform(-0.8, 0.8)
    tip = elbow + radius * rng.uniform(0.6, 0.9) * np.array([np.cos(bent), np.sin(bent)])
    waved = moved @ about(_point(elbow), turned(_swing(rng, len(motion))), np.zeros(2))
    hand = Limb(start=_point(elbow), end=_point(tip), widths=(0.8 * width, 0.6 * width))
    return [("arm", arm, moved), ("hand", hand, waved)]


def _swing(rng: np.random.Generator, frames: int) -> Array:
    """Angles (T,) of a pendulum that starts at 0 anywhere in its swing."""
    time = np.arange(frames) / (frames - 1)
    cycles, phase = rng.uniform(0.4, 1.2), rng.uniform(0, 2 * np.pi)
    most = min(rng.uniform(0.3, 0.8), TURN * (frames - 1) / (2 * np.pi * cycles))
    angles: Array = most * (np.sin(2 * np.pi * cycles * time + phase) - np.sin(phase))
    return angles


def _point(place: Array) -> Point:
    return float(place[0]), float(place[1])
