"""``kinema evaluate``: how well many videos follow their motions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinema.errors import InputError, MotionError
from kinema.motion.canvas import Size
from kinema.offers import CLIP_SOURCE, METRIC
from kinema.outputs import check_file, refuse_inputs
from kinema.plugins import Plugins
from kinema_apps.commands.animate import USUAL
from kinema_apps.motion_options import SizeType
from kinema_apps.session_options import complete, open_session, session_options
from kinema_apps.terminal import in_flags, note, progress

if TYPE_CHECKING:
    from kinema.evaluation import Item
    from kinema.motion.motion import Motion
    from kinema.session.form import VideoForm
    from kinema.session.session import Session

#: Photos that may lie beside a motion file of the same name.
PICTURES = (".png", ".jpg", ".jpeg", ".webp")

#: Frames per second of synthetic items.
FPS = 8.0


@click.command()
@click.argument("folder", metavar="[FOLDER]", required=False)
@click.option(
    "--synthetic", type=click.IntRange(1), metavar="N", help="Make N items instead of a FOLDER."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    default=("trajectory-distance",),
    show_default=True,
    metavar="NAME",
    shell_complete=complete(METRIC),
    help="What is measured. Repeatable.",
)
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Videos per item, with the seeds 0 to N - 1.")  # fmt: skip
@click.option("--drags", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="Drags of a synthetic item, at most.")  # fmt: skip
@click.option("--size", type=SizeType(), help="Of the videos, WIDTHxHEIGHT.")
@click.option("--frames", type=click.IntRange(2), metavar="T", help="Of a video.")
@click.option("--out", metavar="FILE.json", help="Where every number goes.")
@session_options
def command(
    folder: str | None,
    synthetic: int | None,
    metrics: Sequence[str],
    seeds: int,
    drags: int,
    size: Size | None,
    frames: int | None,
    out: str | None,
    **session: Any,
) -> int:
    """Make a video of every item of FOLDER, measure it, and print the means.

    \b
      kinema evaluate --synthetic 20 --seeds 3 --out preview.json
      kinema evaluate MC-Bench/object_control --backbone svd --weights w --controller c

    An item is an MC-Bench folder, or NAME.json with a motion beside the photo NAME.png or NAME.jpg.
    The interval holds the mean over items and seeds with 95 % confidence.
    """  # noqa: D301
    if (folder is None) == (synthetic is None):
        raise InputError("Give a FOLDER of items or --synthetic N, and not both.")
    if out is not None:
        check_file(out)
        refuse_inputs(out, _inside(folder))
    from kinema.evaluation import Evaluation, Score, evaluate

    plugins = Plugins.installed()
    items, broken = ([], {}) if folder is None else read_items(Path(folder))
    unread = [
        Score(item=name, seed=seed, error=why)
        for name, why in broken.items()
        for seed in range(seeds)
    ]
    measured = {name: plugins.build(METRIC, name) for name in metrics}
    with open_session(**session) as made, progress("Evaluating", remaining=True) as bar:
        # Once and in flags, instead of for every item.
        with in_flags():
            form = first_form(made, items, size, frames)
        if folder is None:
            items = synthetic_items(synthetic or 0, form.size, form.frames, drags)
        found = evaluate(
            lambda photo, motion, seed: made.animate(
                photo, motion, size=size, frames=frames, seed=seed
            ),
            items,
            measured,
            range(seeds),
            on_progress=bar.advance,
        )
    found = Evaluation(scores=(*found.scores, *unread))
    click.echo(found.markdown(), nl=False)
    if out is not None:
        click.echo(f"Wrote {found.save(out)}.")
    if found.failed:
        note(f"{len(found.failed)} of {len(found.scores)} videos failed.")
    return 1 if found.failed else 0


def _inside(folder: str | None) -> list[Path]:
    """The files of a folder of items."""
    return [] if folder is None else [path for path in Path(folder).rglob("*") if path.is_file()]


def first_form(
    session: Session, items: Sequence[Item], size: Size | None, frames: int | None
) -> VideoForm:
    """The form of the first item's video; without items, that of synthetic ones.

    Raises:
        InputError: the backbone cannot make what is asked for by name.
    """
    from kinema.motion.motion import Motion

    if items:
        return session.form(items[0][2], size, frames)
    if size is None:
        size = session.native_size(Motion(canvas=USUAL.size), USUAL)
    return session.form(Motion(canvas=size), size, frames)


def read_items(folder: Path) -> tuple[list[Item], dict[str, str]]:
    """The items of a folder and of the folders in it, and why others cannot be read, by name.

    Raises:
        InputError: there is no item, or none that can be read.
    """
    items: list[Item] = []
    broken: dict[str, str] = {}
    for photo in sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES):
        beside = photo.with_suffix(".json")
        if photo.name == "first_frame.png" and any(photo.parent.glob("meta_data*.json")):
            name, file, form = str(photo.parent.relative_to(folder)), photo.parent, "mc-bench"
        elif beside.is_file():
            name, file, form = str(beside.relative_to(folder).with_suffix("")), beside, None
        else:
            continue
        try:
            items.append((name, photo, _motion_of(file, form, photo)))
        except InputError as error:
            broken[name] = " ".join(f"{type(error).__name__}: {error}".split())
    if not items and not broken:
        raise InputError(
            f"There is no item in {str(folder)!r}: no MC-Bench folder with first_frame.png and "
            "meta_data.json, and no NAME.json beside a photo NAME.png or NAME.jpg."
        )
    if not items:
        name, why = next(iter(broken.items()))
        raise InputError(
            f"None of the {len(broken)} items in {str(folder)!r} can be read. The first, {name}: "
            f"{why}"
        )
    return items, broken


def _motion_of(file: Path, form: str | None, photo: Path) -> Motion:
    """The motion of an item, on the photo's canvas if it does not say its own.

    Raises:
        InputError: it or the photo cannot be read.
    """
    from kinema.formats import CanvasNeededError, read_motion
    from kinema.media.photo import read_photo

    try:
        return read_motion(file, format=form)
    except CanvasNeededError:
        return read_motion(file, format=form, canvas=read_photo(photo).size)


def synthetic_items(count: int, size: Size, frames: int, drags: int) -> list[Item]:
    """First frames of synthetic clips with drags along what really moves in them.

    Raises:
        InputError: nothing offers the clip source ``synthetic``, the size is too small, or too
            few clips show anything to drag.
    """
    import torch

    from kinema.interfaces import ClipForm
    from kinema.motion.observed import motion_of

    # In some clips nothing moves and stays visible, so there are more to choose from.
    source = Plugins.installed().build(CLIP_SOURCE, "synthetic", {"count": 4 * count})
    form = ClipForm(size=size, frames=frames, fps=FPS)
    items: list[Item] = []
    for index, item in enumerate(source.items(form)):
        clip = source.read(item, form)
        assert clip.observation is not None  # known exactly of a synthetic clip
        generator = torch.Generator().manual_seed(index)
        try:
            motion = motion_of(clip.observation, generator, drags, FPS)
        except MotionError:
            continue
        items.append((item.key, clip.frames[0].numpy(), motion))
        if len(items) == count:
            return items
    raise InputError(
        f"Only {len(items)} of {4 * count} synthetic clips of {size[0]}x{size[1]} with {frames} "
        f"frames show a point to drag, and {count} were asked for. Ask for larger or longer ones."
    )
