"""``kinema motion observe`` and ``compose``: the motion of a clip, and two of them as one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kinema.errors import InputError
from kinema.motion.canvas import Point
from kinema.offers import TRACKER
from kinema.outputs import check_file, refuse_inputs
from kinema.plugins import Plugins
from kinema_apps.session_options import complete
from kinema_apps.terminal import note, parse_settings, progress

if TYPE_CHECKING:
    from kinema.media.video import Video
    from kinema.motion.motion import Motion

_POINT = re.compile(r"\s*([^\s,]+)\s*,\s*([^\s,]+)\s*")


@click.command()
@click.argument("clip")
@click.option(
    "--tracker",
    metavar="NAME",
    shell_complete=complete(TRACKER),
    help="What sees the motion; `kinema plugins` lists the names. Default: dis.",
)
@click.option(
    "--points", type=int, metavar="N", help="About how many points are followed.  [default: 256]"
)
@click.option(
    "--grid", type=float, metavar="STEP", help="Pixels from one point to the next, instead."
)
@click.option(
    "--at",
    multiple=True,
    metavar="X,Y",
    help="A point of the first frame to follow, in pixels, instead of a grid. Repeatable.",
)
@click.option(
    "--region",
    metavar="MASK",
    help="A grey picture of the clip's size, bright where the first frame is looked at.",
)
@click.option(
    "--camera",
    is_flag=True,
    help="What a camera that turns and zooms would do becomes a camera path, and the tracks that "
    "remain are what moves otherwise.",
)
@click.option(
    "--frames", type=int, metavar="T", help="Frames that are looked at.  [default: all, at most 64]"
)
@click.option(
    "--longest",
    type=int,
    default=832,
    show_default=True,
    metavar="PIXELS",
    help="Longer side of the frames that the tracker sees.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the tracker; `kinema show NAME` lists them. Repeatable.",
)
@click.option("--out", required=True, metavar="FILE", help="The motion file.")
@click.option("--draw", metavar="FILE", help="Draw the tracks over the clip: .mp4, .gif, ...")
def observe(
    clip: str,
    tracker: str | None,
    points: int | None,
    grid: float | None,
    at: tuple[str, ...],
    region: str | None,
    camera: bool,
    frames: int | None,
    longest: int,
    settings: tuple[str, ...],
    out: str,
    draw: str | None,
) -> None:
    """Write what a tracker sees in CLIP as a motion, to be put on another photo.

    \b
      kinema motion observe clip.mp4 --tracker dis --out motion.json --draw seen.mp4
      kinema animate photo.jpg --motion motion.json
    """  # noqa: D301
    if sum((points is not None, grid is not None, bool(at))) > 1:
        raise InputError("Say which points are followed by one of --points, --grid and --at.")
    given = [_point(text) for text in at]
    check_file(out, (clip, region))
    plugins = Plugins.installed()
    name = tracker or plugins.default(TRACKER).offer.name
    config = plugins.configure(TRACKER, name, parse_settings("--set", settings))
    if draw is not None:
        from kinema.media.video import check_output

        check_output(draw)
        refuse_inputs(draw, (clip, region))
        if os.path.realpath(draw) == os.path.realpath(out):
            raise InputError(f"The motion and the drawing cannot both be {out!r}.")
    with progress(f"Reading {Path(clip).name}") as bar:
        from kinema.media.video import Video
        from kinema.observing.observe import observe as observed
        from kinema.observing.observe import with_camera

        video = Video.load(clip)
        bar.advance(1, 3)
        bar.label(f"Following with {name}")
        motion = observed(
            video,
            plugins.build(TRACKER, name, config),
            points=given or points,
            grid=grid,
            region=region,
            frames=frames,
            longest=longest,
        )
        bar.advance(2, 3)
        if camera:
            bar.label("Finding the camera")
        found = with_camera(motion) if camera else motion
        found.save(out)
        if draw is not None:
            bar.label("Drawing")
            _draw(video, motion, draw)
        bar.advance(3, 3)
    click.echo(f"Wrote {out}: {_told(found)}.")
    if draw is not None:
        click.echo(f"Wrote {draw}.")


@click.command()
@click.argument("object_", metavar="OBJECT")
@click.argument("camera")
@click.option(
    "--mask",
    metavar="MASK",
    help="A grey picture of OBJECT's canvas, bright where the object is. Default: the region that "
    "OBJECT was observed in.",
)
@click.option("--along", is_flag=True, help="Let the camera carry the object along.")
@click.option(
    "--margin",
    type=float,
    metavar="PIXELS",
    help="Around the mask no track of CAMERA is taken so near.  [default: 4 % of the longer side]",
)
@click.option("--out", required=True, metavar="FILE", help="The motion file.")
def compose(
    object_: str, camera: str, mask: str | None, along: bool, margin: float | None, out: str
) -> None:
    """Put the motion OBJECT, inside a mask, over the motion CAMERA.

    Both are motion files that `kinema motion observe` wrote: the one of a clip in which an object
    moves, the other of one in which the camera does. The result is as long as OBJECT; CAMERA is
    resampled to it.
    """
    check_file(out, (object_, camera, mask))
    from kinema.motion.motion import Motion
    from kinema.observing.compose import compose as composed

    first, second = Motion.load(object_), Motion.load(camera)
    refuse_inputs(out, (region.mask for each in (first, second) for region in each.regions))
    if first.tracks and second.tracks:
        counts = [len(each.tracks.points) for each in (first, second) if each.tracks]
        if counts[0] != counts[1]:
            note(
                f"{camera} has {counts[1]} frames and is resampled to the {counts[0]} of {object_}"
            )
    if first.canvas != second.canvas:
        note(f"{camera} is fitted to the canvas of {object_}: {first.canvas[0]}x{first.canvas[1]}")
    if first.camera is not None:
        note(f"the camera path of {object_} is left out")
    motion = composed(first, second, mask, along=along, margin=margin)
    motion.save(out)
    click.echo(f"Wrote {out}: {_told(motion)}.")


def _point(text: str) -> Point:
    match = _POINT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return float(match[1]), float(match[2])
    except ValueError:
        raise InputError(f"--at {text!r} is not of the form X,Y.") from None


def _told(motion: Motion) -> str:
    """The motion in a few words."""
    parts = []
    if motion.tracks is not None:
        points, visible = motion.tracks.arrays()
        parts.append(f"{points.shape[1]} tracks, visible in {visible.mean():.0%} of their frames")
    if motion.camera is not None:
        parts.append("a camera path")
    width, height = motion.canvas
    return f"{motion.frames} frames of {width}x{height}, {' and '.join(parts)}"


def _draw(video: Video, motion: Motion, target: str) -> None:
    from kinema.media.video import Video
    from kinema_apps.drawing import followed

    assert motion.tracks is not None
    points, visible = motion.tracks.arrays(len(video.frames))
    Video(followed(video.frames, points, visible), video.fps).save(target)
