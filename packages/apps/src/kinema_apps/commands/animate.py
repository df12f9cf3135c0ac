"""``kinema animate``: a photo and a motion to a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from kinema.errors import MotionError
from kinema.offers import NativeForm
from kinema_apps.motion_options import (
    MOST_PIXELS,
    SAMPLE,
    Asked,
    cut_off,
    find_motion,
    motion_options,
)
from kinema_apps.session_options import open_session, session_options
from kinema_apps.terminal import in_flags, note, notes, progress

if TYPE_CHECKING:
    from kinema.media.photo import Photo
    from kinema.media.video import Video
    from kinema.motion.motion import Motion
    from kinema.session.form import VideoForm
    from kinema.session.session import Session


#: The form of a video of a backbone that does not say which it makes best: MotionPro's.
USUAL = NativeForm(size=(512, 320), frames=16, fps=8.0, multiple=64)


@attrs.frozen(kw_only=True)
class Said:
    """What the options beside photo and motion say, for backbones that read it."""

    prompt: str = ""
    negative_prompt: str | None = None
    last_image: str | None = None
    reference: tuple[str, ...] = ()
    plate: str | None = None


@click.command()
@click.argument("photo", required=False)
@motion_options
@session_options
@click.option("--prompt", default="", metavar="TEXT", help="What is seen, for models of text.")
@click.option("--negative-prompt", metavar="TEXT", help="What is not. Default: the model's own.")
@click.option("--last-image", metavar="PHOTO", help="The frame to end at, for models that read it.")
@click.option(
    "--reference",
    multiple=True,
    metavar="PHOTO",
    help="A further picture, for models that read them. Repeatable.",
)
@click.option(
    "--plate",
    metavar="PHOTO",
    help="The same picture without what moves, seen where that was; for `preview`.",
)
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
      kinema animate cat.jpg --region tail.png --move "turn=20 pivot=90,240" --playback ping-pong
      kinema animate room.jpg --camera orbit:12 --depth depth.npy --out room.webm
    """  # noqa: D301
    from kinema.media.video import check_output

    check_output(out)
    asked = Asked(**{field.name: given.pop(field.name) for field in attrs.fields(Asked)})
    said = Said(**{field.name: given.pop(field.name) for field in attrs.fields(Said)})
    source, motion = prepare(photo, asked)
    with progress(f"Loading {given['backbone']}") as bar, open_session(**given) as session:
        with in_flags():
            form = choose_form(session, source, motion, asked)
        bar.label("Rendering")
        video = session.animate(
            source,
            motion,
            prompt=said.prompt,
            negative_prompt=said.negative_prompt,
            last_image=said.last_image,
            references=said.reference,
            plate=said.plate,
            size=form.size,
            frames=form.frames,
            fps=form.fps,
            seed=seed,
            on_progress=bar.advance,
        )
    assert video.manifest is not None  # it was made just now
    notes((*source.notes, *form.notes, *video.manifest.notes))
    write(video, out, motion.fitted(form.size) if overlay else None)


def prepare(photo: str | None, asked: Asked) -> tuple[Photo, Motion]:
    """The photo and the motion that the options mean; says what is assumed.

    Raises:
        InputError: the photo or an option cannot be used.
    """
    from kinema.media.photo import read_photo

    if photo is None:
        note("No PHOTO is given, so the one that comes along is used; see kinema animate --help.")
        if asked.is_nothing:
            asked = attrs.evolve(asked, motion=str(SAMPLE / "motion.json"))
    source = read_photo(SAMPLE / "photo.jpg" if photo is None else Path(photo))
    source = attrs.evolve(source, path=str(Path(source.path).resolve()))
    motion = find_motion(source, asked)
    _warn(motion, from_file=asked.motion is not None)
    return source, motion


def choose_form(session: Session, source: Photo, motion: Motion, asked: Asked) -> VideoForm:
    """The form of the video, and what of the photo it shows, in words.

    A motion file's own canvas is the size if the backbone makes it, and if it is not a whole
    photo's; otherwise the backbone's native size for its shape.

    Raises:
        InputError: the backbone cannot make what is asked for by name.
        MotionError: the motion starts in what is cut off.
    """
    size = asked.size
    width, height = motion.canvas
    if size is None and (asked.motion is None or width * height > MOST_PIXELS):
        size = session.native_size(motion, USUAL)
    form = session.form(motion, size, asked.frames, asked.fps)
    lost = cut_off(source.size, motion.canvas, form.size)
    note(
        f"Photo of {source.size[0]}x{source.size[1]}, rendered at "
        f"{form.size[0]}x{form.size[1]}{': ' + lost if lost else ''}."
    )
    try:
        motion.fitted(form.size)
    except MotionError as error:
        if not lost:
            raise
        raise MotionError(
            f"At {form.size[0]}x{form.size[1]} {lost}, and the motion with it: {error} Choose "
            "another --size."
        ) from None
    return form


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
