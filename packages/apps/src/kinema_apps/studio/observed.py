"""The motion of a video, as tracks of a photo: what a tracker sees."""

from __future__ import annotations

import io
from typing import Any

import attrs
from PIL import Image

import kinema
from kinema.errors import InputError
from kinema.interfaces import ClipForm
from kinema.media.decoding import opened
from kinema.media.video import Video
from kinema.motion.canvas import Size
from kinema.motion.tracks import Tracks
from kinema.offers import TRACKER
from kinema.plugins import Plugins
from kinema_apps.sources.decoding import read_stretch

#: Seconds of a video that is looked at.
MOST_SECONDS = 20.0
#: W * H of its frames, those of 8K.
MOST_PIXELS = 7680 * 4320
#: Frames that are looked at, evenly over the video.
MOST_FRAMES = 64
#: The longer side of the frames that the tracker sees, in pixels.
LONGEST = 512
#: The longer side of the first frame, where it becomes the photo.
LONGEST_PHOTO = 1536
#: Points along the shorter side.
POINTS = 14


@attrs.frozen(kw_only=True)
class Observed:
    """What was seen.

    Attributes:
        canvas: (width, height) whose pixels the tracks are in.
        tracks: N points, evenly spread in the first frame and seen there, over T frames.
        seconds: how long the video is.
        frame: the first frame, cut to the canvas, as PNG.
        tracker: name of what saw it.
    """

    canvas: Size
    tracks: Tracks
    seconds: float
    frame: bytes
    tracker: str


def observe(content: bytes, name: str, fps: float, canvas: Size | None = None) -> Observed:
    """Track points over a video.

    Args:
        content: of the video file.
        name: what errors call it.
        fps: of the motion that the tracks are for.
        canvas: (width, height) of the photo that the tracks are for; the video is cut to its shape
            about the middle. None takes the video's own size, at most 1536 pixels long.

    Raises:
        InputError: it is no video, longer than 20 seconds or larger than 8K; no installed tracker
            is the default; or it sees none of the points.
    """
    tracker = Plugins.installed().default(TRACKER).offer.name
    with opened(content, name) as source:
        seconds = source.duration()
        if seconds > MOST_SECONDS:
            raise InputError(
                f"The video {name!r} has {seconds:.1f} seconds; at most {MOST_SECONDS:g} are "
                "looked at. Cut it to the part that is meant."
            )
        first = next(iter(source.frames())).pixels
    if not seconds > 0 or first.shape[0] * first.shape[1] > MOST_PIXELS:
        raise InputError(
            f"The video {name!r} is {first.shape[1]}x{first.shape[0]} and lasts {seconds:g} "
            f"seconds; it needs a duration, and frames of at most {MOST_PIXELS} pixels."
        )
    if canvas is None:
        canvas = _scaled((first.shape[1], first.shape[0]), LONGEST_PHOTO)
    frames = min(MOST_FRAMES, max(2, round(seconds * fps)))
    # The last one is shown a little before the end of the file.
    step = (frames - 0.5) / seconds
    size = _scaled(canvas, LONGEST)
    seen = read_stretch(content, name, 0.0, ClipForm(size=size, frames=frames, fps=step))
    motion = kinema.observe(Video(seen.numpy(), step), tracker, grid=min(size) / POINTS)
    tracks = motion.resized(canvas).tracks
    assert tracks is not None  # no camera path was asked for
    still = ClipForm(size=canvas, frames=1, fps=step)
    return Observed(
        canvas=canvas,
        tracks=tracks,
        seconds=seconds,
        frame=_png(read_stretch(content, name, 0.0, still)[0].numpy()),
        tracker=tracker,
    )


def _scaled(size: Size, longest: int) -> Size:
    """As large as ``longest`` allows, with even sides of at least 16 pixels."""
    scale = min(1.0, longest / max(size))
    width, height = (max(16, 2 * round(side * scale / 2)) for side in size)
    return width, height


def _png(pixels: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()
