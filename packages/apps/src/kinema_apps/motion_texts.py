"""Drags, regions and moves as people write them on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from kinema.errors import InputError, MotionError, suggestion
from kinema.motion.canvas import Box, Point, Size, map_point
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.motion.transform import Keyframe

_YES = {"yes": True, "true": True, "no": False, "false": False}


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _point(text: str) -> Point:
    x, y = _numbers(text)
    return x, y


def _yes(text: str) -> bool:
    if text not in _YES:
        raise ValueError
    return _YES[text]


_T = TypeVar("_T")

_Readers = Mapping[str, Callable[[str], Any]]

_DRAG: _Readers = {"easing": str, "times": _numbers, "region": str}
_REGION: _Readers = {
    "name": str,
    "grow": float,
    "scaling": _yes,
    "attached": _yes,
    "appears": float,
    "vanishes": float,
}
_MOVE: _Readers = {
    "time": float,
    "dx": float,
    "dy": float,
    "turn": float,
    "scale": float,
    "easing": str,
    "pivot": _point,
}

_MOVE_FORM = "'REGION dx=40 dy=-10 turn=15 scale=1.2 time=0.5 easing=gentle pivot=200,150'"


def parse_drag(text: str) -> Drag:
    """``"x,y x,y ... easing=gentle times=0,0.8 region=cup"`` as a Drag.

    Raises:
        InputError: it is not of that form.
    """
    words = text.split()
    told = _options("--drag", text, [word for word in words if "=" in word], _DRAG)
    try:
        points = [_point(word) for word in words if "=" not in word]
        if not points:
            raise ValueError
    except ValueError:
        raise InputError(
            f"--drag {text!r} is not of the form 'x,y x,y ...', as in --drag '200,150 320,140'."
        ) from None
    return _made("--drag", text, lambda: Drag(points, **told))


def parse_region(text: str) -> Region:
    """``"mask.png name=cup grow=4 appears=0.5"`` as a Region.

    Raises:
        InputError: there is no such mask, or an option cannot be used.
    """
    mask, told = text, {}
    if not Path(text).is_file():
        names = "|".join(_REGION)
        found = re.fullmatch(rf"(.*?)((?:\s+(?:{names})=\S*)*)\s*", text, re.S)
        assert found is not None  # all of it is optional
        mask, told = found[1], _options("--region", text, found[2].split(), _REGION)
    if not Path(mask).is_file():
        raise InputError(f"The region's mask {mask!r} does not exist.")
    return _made("--region", text, lambda: Region(mask=mask, **told))


@attrs.frozen
class Move:
    """One ``--move``: a keyframe of a region.

    Attributes:
        text: as it was written.
        region: the name of a region or of its mask's file, or its number; empty if there is one.
        keyframe: in pixels of the photo.
        pivot: (x, y) in pixels of the photo.
    """

    text: str
    region: str
    keyframe: Keyframe
    pivot: Point | None


def parse_move(text: str) -> Move:
    """``"cup dx=40 turn=15 time=0.5"`` as a Move.

    Raises:
        InputError: it is not of that form.
    """
    words = text.split()
    told = _options("--move", text, [word for word in words if "=" in word], _MOVE)
    if not told:
        raise InputError(f"--move {text!r} says nothing that moves; write {_MOVE_FORM}.")
    pivot = told.pop("pivot", None)
    region = " ".join(word for word in words if "=" not in word)
    keyframe = _made("--move", text, lambda: Keyframe(**told))
    return Move(text, region, keyframe, pivot)


def named(regions: Sequence[Region], wanted: set[str]) -> list[Region]:
    """Regions with the name of their mask's file, where that is asked for and they have none."""
    taken = {region.name for region in regions}
    found = []
    for region in regions:
        stem = Path(region.mask).stem
        if not region.name and stem in wanted and stem not in taken:
            region = attrs.evolve(region, name=stem)
            taken.add(stem)
        found.append(region)
    return found


def moved(motion: Motion, moves: Sequence[Move], box: Box) -> Motion:
    """The motion with its regions moved.

    Args:
        motion: any.
        moves: in pixels of the photo.
        box: the part of the photo that became the motion's canvas.

    Raises:
        InputError: there is no such region, or it has a transform, or the moves contradict.
    """
    told: dict[int, list[Move]] = {}
    for move in moves:
        told.setdefault(_number_of(move, motion.regions), []).append(move)
    regions = list(motion.regions)
    for number, mine in told.items():
        region = regions[number]
        if region.transform:
            raise InputError(
                f"--move {mine[0].text!r} moves the region {region.label()}, which has a transform "
                "in the motion file; leave one out."
            )
        pivots = {move.pivot for move in mine} - {None}
        if len(pivots) > 1:
            raise InputError(
                f"The moves of the region {region.label()} name different pivots: {pivots!r}; a "
                "region has one."
            )
        regions[number] = _transformed(region, mine, pivots, box, motion.canvas)
    return attrs.evolve(motion, regions=regions)


def _transformed(
    region: Region, moves: Sequence[Move], pivots: set[Point | None], box: Box, canvas: Size
) -> Region:
    pivot = next((map_point(point, box, canvas) for point in pivots if point is not None), None)
    return _made(
        "--move",
        moves[0].text,
        lambda: attrs.evolve(
            region,
            transform=[move.keyframe.remapped(box, canvas) for move in moves],
            pivot=pivot,
        ),
    )


def _number_of(move: Move, regions: Sequence[Region]) -> int:
    names = [region.name for region in regions]
    if move.region in names and move.region:
        return names.index(move.region)
    if move.region.isdecimal() and 1 <= int(move.region) <= len(regions):
        return int(move.region) - 1
    if not move.region and len(regions) == 1:
        return 0
    labels = [f"{number}: {region.label()}" for number, region in enumerate(regions, start=1)]
    there = f"The regions: {', '.join(labels)}." if labels else "Give one with --region MASK."
    if not move.region:
        raise InputError(f"--move {move.text!r} does not say which region it moves. {there}")
    near = suggestion(move.region, [name for name in names if name])
    raise InputError(
        f"--move {move.text!r} names the region {move.region!r}, which is not there.{near} {there}"
    )


def _options(option: str, text: str, words: Sequence[str], known: _Readers) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in known:
            raise InputError(
                f"{option} {text!r} has {name}=, which it does not know."
                f"{suggestion(name, list(known))} It knows: {', '.join(known)}."
            )
        if name in told:
            raise InputError(f"{option} {text!r} says {name}= twice.")
        try:
            told[name] = known[name](value)
        except ValueError:
            raise InputError(f"{option} {text!r} cannot use {word!r}.") from None
    return told


def _made(option: str, text: str, make: Callable[[], _T]) -> _T:
    try:
        return make()
    except MotionError as error:
        raise InputError(f"{option} {text!r}: {error}") from None
