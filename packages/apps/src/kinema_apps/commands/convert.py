"""``kinema convert``: a foreign checkpoint becomes a folder that sessions load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from kinema.errors import InputError
from kinema.offers import IMPORTER
from kinema.outputs import check_target
from kinema.plugins import Plugins
from kinema_apps.session_options import complete
from kinema_apps.terminal import parse_settings, progress


@click.command()
@click.argument("importer", shell_complete=complete(IMPORTER))
@click.argument("file")
@click.option("--out", required=True, metavar="DIR", help="The folder to write; must not exist.")
@click.option("--dense", is_flag=True, help="The file is the dense variant (motionpro).")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of IMPORTER."
)
def command(importer: str, file: str, out: str, dense: bool, settings: tuple[str, ...]) -> None:
    """Convert the checkpoint FILE with IMPORTER, such as motionpro.

    \b
      kinema convert motionpro MotionPro-gs_16k.pt --out motionpro
      kinema animate cat.jpg --backbone svd --controller motionpro

    Prints how many tensors of each group were used, left unused, or missing.
    """  # noqa: D301
    target = Path(out)
    if os.path.lexists(target):
        raise InputError(f"{out!r} exists already; name a folder that does not.")
    check_target(target)
    plugins = Plugins.installed()
    options: dict[str, Any] = dict(parse_settings("--set", settings))
    if dense:
        options["dense"] = True
    built = plugins.build(IMPORTER, importer, options)
    with progress(f"Reading {file}"):
        report = built.convert(Path(file), target)
    for state, groups in report.items():
        click.echo(f"{state}: {_counts(groups)}")
    click.echo(f"Wrote {out}.")


def _counts(groups: Any) -> str:
    if not isinstance(groups, Mapping):
        return str(groups)
    counts = {k: v if isinstance(v, int) else len(v) for k, v in groups.items()}
    return ", ".join(f"{count} {group}" for group, count in counts.items() if count) or "none"
