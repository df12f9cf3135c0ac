"""``kinema animate``: a photo and a motion to a video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from kinema.errors import InputError, MotionError
from kinema.offers import NativeForm
from kinema.outputs import refuse_inputs
from kinema_apps.motion_options import (
    MOST_PIXELS,
    SAMPLE,
    Asked,
    cut_off,
    find_motion,
    motion_options,
    warn,
)
from kinema_apps.session_options import lora_of, open_session, session_options
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
    help="A further picture, for models that read them. Repeatable. With --reference-mask, a clip "
    "to follow.",
)
@click.option(
    "--plate",
    metavar="PHOTO",
    help="The same picture without what moves, seen where that was; for `preview`.",
)
@click.option(
    "--reference-mask",
    metavar="CLIP",
    help="With it, --reference is a clip that the controller time-to-move follows where this one "
    "is white.",
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
def command(
    photo: str | None,
    reference_mask: str | None,
    seed: int,
    out: str,
    overlay: bool,
    **given: Any,
) -> None:
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
    read = (photo, *asked.files(), said.last_image, *said.reference, said.plate, reference_mask)
    lora = [lora_of(each)[0] for each in given["lora"]]
    told = [words.partition("=")[2] for words in given["settings"]]
    parts = (given["weights"], *given["controllers"], given["depth"])
    refuse_inputs(out, (*read, *parts, *lora, *told))
    if reference_mask is not None:
        said, given = follow_clip(said, reference_mask, given)
    source, motion = prepare(photo, asked, may_rest=reference_mask is not None)
    refuse_inputs(out, (region.mask for region in motion.regions))
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


def follow_clip(said: Said, mask: str, given: Mapping[str, Any]) -> tuple[Said, dict[str, Any]]:
    """The options with the reference clip and its mask handed to the controller time-to-move.

    Raises:
        InputError: there is not one reference, or another controller is asked for.
    """
    if len(said.reference) != 1:
        raise InputError(
            f"--reference-mask goes with one --reference CLIP, got {len(said.reference)} of them."
        )
    name = "time-to-move"
    controllers = tuple(given["controllers"]) or (name,)
    if name not in controllers:
        raise InputError(
            f"--reference-mask is read by the controller {name!r}; add --controller {name}."
        )
    told = (f"{name}.reference={said.reference[0]}", f"{name}.reference_mask={mask}")
    settings = (*given["settings"], *told)
    changed = {**given, "controllers": controllers, "settings": settings}
    return attrs.evolve(said, reference=()), changed


def prepare(photo: str | None, asked: Asked, may_rest: bool = False) -> tuple[Photo, Motion]:
    """The photo and the motion that the options mean; says what is assumed.

    Args:
        may_rest: whether nothing need be asked to move, where a clip says what moves.

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
    motion = find_motion(source, asked, may_rest)
    warn(motion, from_file=asked.motion is not None)
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
