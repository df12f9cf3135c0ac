"""The motion of a clip, as a Motion for another photo."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from kinema.errors import InputError
from kinema.interfaces import Tracker
from kinema.media.video import Video
from kinema.motion.canvas import Point, Size
from kinema.motion.motion import Motion
from kinema.motion.region import Region, as_region
from kinema.motion.tracks import Tracks
from kinema.observing.camera import turning
from kinema.observing.starts import starts
from kinema.offers import TRACKER
from kinema.plugins import Plugins

#: Frames of a clip that are looked at, evenly over it, unless the caller says how many.
FRAMES = 64

#: The longer side of the frames that the tracker sees, in pixels, unless the caller says so.
LONGEST = 832

#: A point moves by itself if it is farther than this from where the camera would have taken it, as
#: a mean over the frames that show it, in pixels of a picture whose longer side is 512.
MOVING = 1.5


def observe(
    clip: str | os.PathLike[str] | Video,
    tracker: str | Tracker | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    points: int | Sequence[Point] | None = None,
    grid: float | None = None,
    region: Any = None,
    camera: bool = False,
    frames: int | None = None,
    longest: int = LONGEST,
) -> Motion:
    """The motion of a clip: what a tracker sees in it, to be put on another photo.

    Args:
        clip: a video of any form that :meth:`Video.load` reads, or one in memory.
        tracker: its name, or the thing itself; the default one unless given.
        options: of the tracker, where it is given by name.
        points: about how many points of the first frame are followed, evenly spread (256 unless
            given); or the points themselves, ``(N, 2)`` pixels of the clip.
        grid: pixels from one point to the next, instead of a number.
        region: what of the first frame is looked at: a mask file, an array ``(H, W)`` or a
            :class:`Region`, of the clip's size. Points are followed there alone, and the Motion has
            it as its region.
        camera: give what a camera that turns and zooms would do as the Motion's camera path, and as
            tracks only what moves otherwise (:func:`~kinema.observing.observe.with_camera`).
        frames: T, evenly over the clip; all of them, and at most 64, unless given.
        longest: longer side of the frames that the tracker sees, in pixels; larger ones are scaled
            down. The Motion's canvas is the clip's own size all the same.

    Returns:
        A Motion with tracks of N points over T frames and their visibility, as long as the clip,
        on a canvas of the clip's size. With ``camera`` it may be a camera path alone.

    Raises:
        InputError: there is no such clip or tracker, the clip has fewer than two frames, a point
            lies outside it, or the tracker sees none of the points.
        MotionError: the region cannot be read, is empty or of another size than the clip.
    """
    if not isinstance(clip, Video):
        clip = Video.load(clip)
    width, height = clip.size
    chosen = _chosen(len(clip.frames), frames)
    mask = None if region is None else as_region(region)
    inside = None if mask is None else mask.rasterize(clip.size)
    if mask is not None and inside is not None and not inside.any():
        raise InputError(mask.emptiness(clip.size))
    places = starts(clip.size, inside, points, grid)
    sees = _tracker(tracker, options)
    seen = _scaled(clip.frames[chosen], longest)
    ratio = np.array([seen.shape[2] / width, seen.shape[1] / height])
    with torch.no_grad():
        far = np.array([seen.shape[2] - 1.0, seen.shape[1] - 1.0])
        there = ((places + 0.5) * ratio - 0.5).clip(0, far)
        found, shown = sees.track(torch.from_numpy(seen), torch.from_numpy(there).float())
    moved = (found.double().cpu().numpy() + 0.5) / ratio - 0.5
    visible = shown.cpu().numpy()
    # A point that is not seen in frame 0 is no point of the photo.
    kept = visible[0]
    if not kept.any():
        raise InputError(
            f"The tracker sees none of the {len(places)} points in the clip's first frame; choose "
            "other points."
        )
    moved, visible = _evenly(chosen, moved[:, kept], visible[:, kept])
    # Frame 0 is where a point starts, to the last digit.
    moved[0] = places[kept]
    seconds = len(clip.frames) / clip.fps
    made = Motion(
        canvas=clip.size,
        tracks=_tracks(moved, visible),
        regions=() if mask is None else (mask,),
        fps=len(chosen) / seconds,
        duration=seconds,
    )
    return with_camera(made) if camera else made


def _tracker(tracker: str | Tracker | None, options: Mapping[str, Any] | None) -> Tracker:
    if tracker is not None and not isinstance(tracker, str):
        if options:
            raise InputError(f"Options {sorted(options)!r} are for a tracker given by its name.")
        return tracker
    plugins = Plugins.installed()
    name = tracker or plugins.default(TRACKER).offer.name
    return plugins.build(TRACKER, name, options or {})


def _chosen(there: int, wanted: int | None) -> NDArray[np.intp]:
    """The numbers of the frames that are looked at, the first and the last among them."""
    if there < 2:
        raise InputError(f"A clip needs at least 2 frames for anything to move, got {there}.")
    count = min(there, FRAMES) if wanted is None else wanted
    if not 2 <= count <= there:
        raise InputError(f"From 2 to all {there} frames of the clip can be taken, got {count!r}.")
    return np.rint(np.linspace(0, there - 1, count)).astype(np.intp)


def _scaled(frames: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """The frames with a longer side of at most ``longest`` pixels."""
    if longest < 16:
        raise InputError(f"A tracker needs frames of at least 16 pixels, got longest={longest!r}.")
    height, width = frames.shape[1:3]
    if max(width, height) <= longest:
        return np.array(frames)
    scale = longest / max(width, height)
    size: Size = max(8, round(width * scale)), max(8, round(height * scale))
    small = [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames]
    return np.stack([np.asarray(image) for image in small])


def _evenly(
    chosen: NDArray[np.intp], moved: NDArray[np.float64], visible: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Tracks of the chosen frames at times that are evenly spread."""
    times = np.linspace(0.0, float(chosen[-1]), len(chosen))
    late = np.searchsorted(chosen, times, side="left").clip(1, len(chosen) - 1)
    early = late - 1
    part = (times - chosen[early]) / (chosen[late] - chosen[early])
    # Rounding must not make two of one frame.
    part = np.where(np.abs(part - np.rint(part)) < 1e-6, np.rint(part), part)
    share = part[:, None, None]
    seen = (visible[early] | (part == 1)[:, None]) & (visible[late] | (part == 0)[:, None])
    return moved[early] * (1 - share) + moved[late] * share, seen


def _tracks(moved: NDArray[np.float64], visible: NDArray[np.bool_]) -> Tracks:
    return Tracks(
        points=np.round(moved, 3).tolist(), visible=[] if visible.all() else visible.tolist()
    )


def with_camera(motion: Motion) -> Motion:
    """An observed motion as a camera path and the tracks of what does not follow it.

    The path is of a camera that turns and zooms in one place, as most tracks tell it. The tracks
    that remain are as a camera that rests would have seen them, which is how a Motion with a camera
    path means its tracks; those that follow it rest, and there are none if all do. What moves with
    the camera's place (parallax) stays among them.

    Raises:
        InputError: it has no tracks, or a camera path already.
    """
    if motion.tracks is None or motion.camera is not None:
        raise InputError(
            "A camera path is found from tracks alone, and this motion "
            f"{'has one already' if motion.camera else 'has no tracks'}."
        )
    moved, visible = motion.tracks.arrays()
    camera = turning(moved, visible, motion.canvas)
    rest = camera.removed(moved)
    away = np.linalg.norm(rest - rest[:1], axis=-1)
    mean = (away * visible).sum(0) / visible.sum(0).clip(1)
    moving = mean > MOVING * max(motion.canvas) / 512
    # What follows the camera is held where it is, against what moves beside it.
    rest[:, ~moving] = moved[0, ~moving]
    rest[0] = moved[0]
    tracks = _tracks(rest, visible) if moving.any() else None
    regions: tuple[Region, ...] = motion.regions if moving.any() else ()
    return attrs.evolve(motion, camera=camera.path, tracks=tracks, regions=regions)
