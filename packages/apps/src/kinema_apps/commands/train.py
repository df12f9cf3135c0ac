"""``kinema train``: a recipe and prepared clips to a trained controller."""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinema.errors import Cancelled
from kinema_apps.terminal import note, parse_settings, progress

if TYPE_CHECKING:
    from kinema.training.config import TrainConfig

#: As for any program ended by Ctrl-C; the training ends by itself, with a checkpoint.
INTERRUPTED = 130


@click.command()
@click.argument("recipe", metavar="RECIPE.toml")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option that wins over the recipe's, such as steps=100 or optimizer.clip=0. "
    "Repeatable.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from the newest checkpoint of the run folder; start if there is none.",
)
def command(recipe: str, settings: Sequence[str], resume: bool) -> int:
    """Train what RECIPE.toml says.

    \b
      kinema train recipe.toml
      kinema train recipe.toml --set out=runs/second --set steps=2000
      kinema train recipe.toml --resume
      accelerate launch -m kinema_apps.cli train recipe.toml

    Ctrl-C and SIGTERM write a checkpoint first.
    """  # noqa: D301
    from kinema.training.config import read_config
    from kinema.training.loop import train
    from kinema_apps.drawing import overlaid

    config = read_config(Path(recipe), values_of(settings))
    with progress(f"Loading {config.backbone}", remaining=True) as bar:

        def show(step: int, steps: int, values: Mapping[str, float]) -> None:
            bar.label(f"loss {values['loss']:.4f}  {values['clips_per_second']:.1f} clips/s")
            bar.advance(step, steps)

        try:
            folder = train(config, resume=resume, on_step=show, draw_motion=overlaid)
        except Cancelled as error:
            note(str(error))
            return INTERRUPTED
    if os.environ.get("RANK", "0") != "0":
        # One of several processes; the first one speaks.
        return 0
    click.echo(f"Wrote {folder}.")
    if (folder / "controller").is_dir():
        click.echo(f"Try it: {_trial(config, folder)}")
    return 0


def _trial(config: TrainConfig, folder: Path) -> str:
    """The command that uses a checkpoint's controller, on clips like those it was trained on."""
    from kinema.clips.dataset import ClipDataset

    meta = ClipDataset(config.data).meta
    trained = folder / "weights"
    weights = str(trained) if trained.is_dir() else config.weights
    # The options say which network it was, unless it was trained and written here.
    options = {} if trained.is_dir() else config.backbone_options
    width, height = meta["size"]
    return " ".join(
        [
            f"kinema animate --backbone {config.backbone} --controller {folder / 'controller'}",
            *([f"--weights {weights}"] if weights else []),
            *(f"--set {shlex.quote(f'{key}={_word(value)}')}" for key, value in options.items()),
            f"--size {width}x{height} --frames {meta['frames']}",
        ]
    )


def _word(value: object) -> str:
    """A value as ``--set`` reads it."""
    if isinstance(value, list | tuple):
        return ",".join(map(_word, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def values_of(settings: Sequence[str]) -> dict[str, Any]:
    """The words of ``--set``: values as TOML where they are TOML, as text otherwise.

    Raises:
        InputError: a word is not of the form key=value, or a key comes twice.
    """
    found: dict[str, Any] = {}
    for key, text in parse_settings("--set", settings).items():
        try:
            # An option of the tables of plugins may be of any type, and no one converts it there.
            found[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = text
    return found
