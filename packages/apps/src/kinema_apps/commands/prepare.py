"""``kinema prepare``: videos to clips that ``kinema train`` reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from kinema.clips.preparation.config import ROLES, PrepareConfig, read_recipe
from kinema.errors import InputError
from kinema.offers import BACKBONE, CLIP_SOURCE, TRACKER
from kinema.plugins import Plugins
from kinema_apps.motion_options import SizeType
from kinema_apps.session_options import complete
from kinema_apps.terminal import note, parse_settings, progress

#: Kinds of name that ``--set`` takes before the dot.
GROUPS = (*ROLES, "limits")

#: Whose latents are kept where nobody says: what MotionPro trains.
BACKBONE_NAME = "svd"


@click.command()
@click.argument("what", metavar="SOURCE|FOLDER|RECIPE.toml", shell_complete=complete(CLIP_SOURCE))
@click.option("--out", metavar="FOLDER", help="Where the shards go.")
@click.option(
    "--backbone",
    metavar="NAME",
    shell_complete=complete(BACKBONE),
    help="Whose latents are kept. Default: svd.",
)
@click.option("--weights", metavar="PATH", help="Folder or file of the backbone's weights.")
@click.option(
    "--tracker",
    metavar="NAME",
    shell_complete=complete(TRACKER),
    help="What sees the motion, where the source does not know it. Default: dis.",
)
@click.option(
    "--size", type=SizeType(), help="Of the clips, WIDTHxHEIGHT. Default: the backbone's own."
)
@click.option("--frames", type=int, metavar="T", help="Of a clip. Default: the backbone's.")
@click.option("--fps", type=float, help="Frames per second. Default: the backbone's.")
@click.option("--shard", type=int, metavar="CLIPS", help="Clips per shard. Default: 64.")
@click.option("--engine", type=click.Choice(("local", "ray")), help="Default: local.")
@click.option(
    "--workers", type=int, metavar="N", help="Processes. Default: one per core, or one on a GPU."
)
@click.option("--device", help="cuda, mps, cpu or auto. Default: auto.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="reduction=N, or source.KEY, tracker.KEY, backbone.KEY, limits.KEY: an option of "
    "that. `kinema show NAME` lists them. Repeatable.",
)
def command(what: str, weights: str | None, settings: tuple[str, ...], **given: Any) -> None:
    """Cut, track, filter and encode videos into clips to train on.

    \b
      kinema prepare my-videos --out clips --weights svd-weights
      kinema prepare synthetic --out clips --backbone svd --weights w --set source.count=500
      kinema prepare recipe.toml --out elsewhere

    A FOLDER may hold videos, MotionPro's clips or WebDataset tars. Stop it at any time: the same
    command goes on where it was.
    """  # noqa: D301
    config = read_config(what, weights, settings, given)
    from kinema.clips.preparation.engine import prepare

    with progress("Preparing", remaining=True) as bar:
        report = prepare(config, on_progress=bar.advance)
    for line in report.lines():
        click.echo(line)
    click.echo(f"Wrote {config.out}; see {Path(config.out) / 'report.html'}.")


def read_config(
    what: str, weights: str | None, settings: Sequence[str], given: dict[str, Any]
) -> PrepareConfig:
    """What the words of the command line mean.

    Raises:
        InputError: a word is wrong, or something is missing.
    """
    from kinema.config import from_mapping

    recipe = read_recipe(what) if what.endswith(".toml") else _source(what)
    data: dict[str, Any] = {**recipe, **{k: v for k, v in given.items() if v is not None}}
    options = {role: dict(own) for role, own in dict(data.get("options", {})).items()}
    limits = dict(data.get("limits", {}))
    for key, value in parse_settings("--set", settings).items():
        group, dot, name = key.partition(".")
        if not dot:
            data[key] = value
        elif group not in GROUPS:
            raise InputError(
                f"--set {key!r} is not of the form KEY, or GROUP.KEY with a GROUP out of "
                f"{', '.join(GROUPS)}."
            )
        elif group == "limits":
            limits[name.replace("-", "_")] = value
        else:
            options.setdefault(group, {})[name.replace("-", "_")] = value
    if weights is not None:
        options.setdefault("backbone", {})["weights"] = weights
    data.setdefault("backbone", BACKBONE_NAME)
    for name in ("source", "out"):
        if name not in data:
            raise InputError(
                f"A preparation needs {name!r}; name it in the recipe"
                f"{' or by --out' if name == 'out' else ''}."
            )
    if "size" in data:
        from kinema.motion.canvas import as_size

        data["size"] = list(as_size(data["size"], "The size"))
    return from_mapping(
        PrepareConfig, {**data, "options": options, "limits": limits}, "The preparation"
    )


def _source(what: str) -> dict[str, Any]:
    """The source that a name or a folder means."""
    names = [item.offer.name for item in Plugins.installed().all(CLIP_SOURCE)]
    folder = Path(what)
    if what in names:
        return {"source": what}
    if folder.is_dir():
        name = form_of(folder)
        note(f"Reading {what} as {name!r}.")
        return {"source": name, "options": {"source": {"folder": what}}}
    if folder.exists() or folder.suffix or len(folder.parts) > 1:
        raise InputError(f"There is no folder {what!r} to prepare clips from.")
    Plugins.installed().find(CLIP_SOURCE, what)
    raise AssertionError


def form_of(folder: Path) -> str:
    """Which clip source a folder looks made for."""
    if any(folder.glob("*.tar")):
        return "webdataset"
    if any(folder.glob("*/*.npy")) and any(folder.glob("*/video.mp4")):
        return "motionpro-folder"
    return "videos"
