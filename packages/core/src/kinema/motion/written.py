"""A Motion written out: transforms of regions and playback as the drags that they stand for.

This is the one place that says what a transform and a playback mean. Every condition reads drags,
tracks and a camera path, and so understands both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from kinema.errors import MotionError
from kinema.motion.canvas import Point
from kinema.motion.drag import Drag, Interpolation
from kinema.motion.region import Region
from kinema.motion.timing import clip_times
from kinema.motion.tracks import Tracks
from kinema.motion.transform import placed, state_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kinema.motion.motion import Motion

#: Drags that a transform is written out as, if it turns or scales; one if it only shifts. Two say
#: all of it, and more only help where they lie apart: nearby drags add up in some conditions.
POINTS = 4

#: Pixels that the third and the fourth drag start from the others, at least.
_APART = 24.0

#: How deep in a region its drags start, as a share of its deepest pixel's depth.
_DEEP = 0.3

#: Pixels of a canvas that are looked at, and pixels among which the starts are chosen.
_LOOKED_AT, _CANDIDATES = 250_000, 20_000


def written_out(motion: Motion, frames: int, interpolation: Interpolation = "pchip") -> Motion:
    """The same motion in a clip of ``frames`` frames, without transforms and played once.

    A transform becomes drags that name its region, one point per frame: one if it only shifts,
    otherwise a few that lie far apart, of a region that may scale. A playback becomes a point per
    frame of every drag and track, and the camera path's clock. Without either it is ``motion``.

    Raises:
        MotionError: a region has a transform and is moved by drags or tracks as well, has no pixel,
            or its mask cannot be read; fewer than two frames.
    """
    transformed = any(region.transform for region in motion.regions)
    if motion.playback == "once" and not transformed:
        return motion
    times = clip_times(frames, motion.playback, motion.cycles)
    drags, tracks, camera = motion.drags, motion.tracks, motion.camera
    if motion.playback != "once":
        drags = tuple(_timed(drag, times, interpolation) for drag in drags)
        if tracks is not None:
            points, visible = tracks.at(times)
            hidden = [] if visible.all() else visible.tolist()
            tracks = Tracks(points=points.tolist(), visible=hidden)
        if camera is not None:
            camera = attrs.evolve(camera, clock=camera.at(times))
    regions = motion.regions
    if transformed:
        regions, more = _transformed(motion, times)
        drags = (*drags, *more)
    return attrs.evolve(
        motion,
        drags=drags,
        tracks=tracks,
        camera=camera,
        regions=regions,
        playback="once",
        cycles=1,
    )


def _timed(drag: Drag, times: Sequence[float], interpolation: Interpolation) -> Drag:
    if drag.is_anchor:
        return drag
    return Drag(drag.at(times, interpolation).tolist(), region=drag.region)


def _transformed(motion: Motion, times: Sequence[float]) -> tuple[tuple[Region, ...], list[Drag]]:
    """The regions without their transforms, and the drags that stand for these."""
    layers = motion.layers()
    check_alone(motion, layers)
    names = _names(motion)
    regions: list[Region] = []
    drags: list[Drag] = []
    for number, (region, name) in enumerate(zip(motion.regions, names, strict=True), start=1):
        if not region.transform:
            regions.append(region)
            continue
        own = region.rasterize(motion.canvas)
        if not own.any():
            raise MotionError(
                f"The region {region.label()} has no pixel on the canvas of {motion.canvas[0]}x"
                f"{motion.canvas[1]}; there is nothing that its transform could move."
            )
        pivot = region.pivot if region.pivot is not None else _middle(own)
        shown = own & (layers == number)
        shifts = all(keyframe.shifts_only for keyframe in region.transform)
        starts = _spread(shown if shown.any() else own, 1 if shifts else POINTS)
        states = [state_at(region.transform, time) for time in times]
        for start in starts:
            path = [placed([start], pivot, state)[0] for state in states]
            path[0][:] = start
            drags.append(Drag([(float(x), float(y)) for x, y in path], region=name))
        scales = any(keyframe.scale != 1.0 for keyframe in region.transform)
        regions.append(
            attrs.evolve(
                region, name=name, transform=(), pivot=None, scaling=region.scaling or scales
            )
        )
    return tuple(regions), drags


def check_alone(motion: Motion, layers: NDArray[np.int64]) -> None:
    """Refuse drags and tracks that move a region which has a transform.

    Args:
        motion: any.
        layers: what ``motion.layers()`` gives.

    Raises:
        MotionError: there is one.
    """
    for what, moved in zip(("drag", "track"), motion.moved_layers(layers), strict=True):
        for index, layer in enumerate(moved):
            if layer and motion.regions[layer - 1].transform:
                label = motion.regions[layer - 1].label()
                raise MotionError(
                    f"The region {label} moves by its transform, and {what} {index} would move it "
                    "as well. Leave one of them out."
                )


def _names(motion: Motion) -> list[str]:
    """A name of its own for each region."""
    taken = {region.name for region in motion.regions}
    names = []
    for number, region in enumerate(motion.regions, start=1):
        name = region.name or f"region {number}"
        while not region.name and name in taken:
            name += "'"
        taken.add(name)
        names.append(name)
    return names


def _middle(inside: NDArray[np.bool_]) -> Point:
    """The mean of the pixels (H, W)."""
    import numpy as np

    rows, columns = np.nonzero(inside)
    return float(columns.mean()), float(rows.mean())


def _spread(inside: NDArray[np.bool_], count: int) -> list[Point]:
    """Up to ``count`` pixels deep in ``inside`` (H, W) and far from one another; one is central."""
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    # Of a large photo a coarse look will do, unless it misses a small region.
    step = math.ceil(math.sqrt(inside.size / _LOOKED_AT))
    some = inside[::step, ::step]
    if not some.any():
        some, step = inside, 1
    depth = distance_transform_edt(np.pad(some, 1))[1:-1, 1:-1]
    rows, columns = np.nonzero(depth >= _DEEP * depth.max())
    places = np.stack([columns, rows], axis=1)[:: -(-len(rows) // _CANDIDATES)] * float(step)
    away = np.square(places - places.mean(0)).sum(1)
    if count == 1:
        return [(float(x), float(y)) for x, y in places[[away.argmin()]]]
    chosen = [int(away.argmax())]
    nearest = np.square(places - places[chosen[0]]).sum(1)
    while len(chosen) < count and nearest.max() > (_APART**2 if len(chosen) > 1 else 0.0):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.square(places - places[chosen[-1]]).sum(1))
    return [(float(x), float(y)) for x, y in places[chosen]]
