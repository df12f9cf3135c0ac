"""``kinema animate``: a photo and a motion to a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from kinema.errors import MotionError
from kinema_apps.motion_options import (
    SAMPLE,
    Asked,
    cut_off,
    default_canvas,
    find_motion,
    motion_options,
)
from kinema_apps.session_options import open_session, session_options
from kinema_apps.terminal import note, notes, progress

if TYPE_CHECKING:
    from kinema.media.photo import Photo
    from kinema.media.video import Video
    from kinema.motion.canvas import Size
    from kinema.motion.motion import Motion


@click.command()
@click.argument("photo", required=False)
@motion_options
@session_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of all randomness.")
@click.option(
    "--out",
    default="out.mp4",
    show_default=True,
    metavar="FILE",
    help="Where the video goes: .mp4, .webm, .gif, .webp, a folder, or frames/%03d.png. An "
    "earlier one is replaced. The manifest goes beside it.",
)
@click.option("--overlay", is_flag=True, help="Draw the motion on the result.")
def command(photo: str | None, seed: int, out: str, overlay: bool, **given: Any) -> None:
    """Animate PHOTO; without PHOTO, one that comes along.

    \b
      kinema animate
      kinema animate cat.jpg --drag "200,150 320,140" --region head.png
      kinema animate room.jpg --camera orbit:12 --depth depth.npy --out room.webm
    """  # noqa: D301
    from kinema.media.video import check_output

    check_output(out)
    asked = Asked(**{field.name: given.pop(field.name) for field in attrs.fields(Asked)})
    source, motion, size = prepare(photo, asked)
    with progress(f"Loading {given['backbone']}") as bar, open_session(**given) as session:
        bar.label("Rendering")
        video = session.animate(
            source,
            motion,
            size=size,
            frames=asked.frames,
            fps=asked.fps,
            seed=seed,
            on_progress=bar.advance,
        )
    notes((*source.notes, *video.manifest.notes))
    write(video, out, motion.fitted(size) if overlay else None)


def prepare(photo: str | None, asked: Asked) -> tuple[Photo, Motion, Size]:
    """The photo, the motion and the size that the options mean; says what is assumed.

    Raises:
        InputError: the photo or an option cannot be used.
    """
    from kinema.media.photo import read_photo

    if photo is None:
        note("No PHOTO is given, so the one that comes along is used; see kinema animate --help.")
        if asked.motion is None and not (asked.drag or asked.region or asked.camera):
            asked = attrs.evolve(asked, motion=str(SAMPLE / "motion.json"))
    source = read_photo(SAMPLE / "photo.jpg" if photo is None else Path(photo))
    source = attrs.evolve(source, path=str(Path(source.path).resolve()))
    motion = find_motion(source, asked)
    _warn(motion, from_file=asked.motion is not None)
    size = asked.size or default_canvas(motion, from_file=asked.motion is not None)
    lost = cut_off(source.size, motion.canvas, size)
    note(
        f"Photo of {source.size[0]}x{source.size[1]}, rendered at {size[0]}x{size[1]}"
        f"{': ' + lost if lost else ''}."
    )
    try:
        motion.fitted(size)
    except MotionError as error:
        if not lost:
            raise
        raise MotionError(
            f"At {size[0]}x{size[1]} {lost}, and the motion with it: {error} Choose another --size."
        ) from None
    return source, motion, size


def _warn(motion: Motion, from_file: bool) -> None:
    """Say what is doubtful about a motion before time goes into its video.

    Raises:
        MotionError: it cannot be used.
    """
    from kinema.check import check_motion

    for finding in check_motion(motion):
        if finding.severity == "error":
            raise MotionError(finding.message)
        # Only a file can have been drawn on another canvas; options refer to this photo.
        if from_file or finding.where != "motion":
            note(str(finding))


def write(video: Video, out: str, overlay: Motion | None) -> None:
    """Write the video (with ``overlay`` drawn on it) and its manifest, and say where."""
    from kinema.media.video import manifest_path

    target = Path(out)
    if target.suffix.lower() == ".mp4" and (video.size[0] % 2 or video.size[1] % 2):
        note("MP4 has even sizes only: the last column or row is repeated.")
    shown = video
    if overlay is not None:
        from kinema_apps.drawing import overlaid

        shown = attrs.evolve(video, frames=overlaid(video.frames, overlay))
    with progress("Writing"):
        shown.save(target)
    frames, (width, height) = len(video.frames), video.size
    click.echo(f"Wrote {out}: {frames} frames of {width}x{height} at {video.fps:g} fps.")
    if video.manifest is not None:
        click.echo(f"Wrote {manifest_path(target)}: how it was made.")
