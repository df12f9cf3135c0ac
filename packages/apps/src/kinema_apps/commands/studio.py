"""``kinema studio``: brush, drag, look, in the browser."""

from __future__ import annotations

import os
import threading
import webbrowser
from pathlib import Path
from typing import Any

import click

from kinema.errors import InputError
from kinema_apps.commands.serve import read_settings
from kinema_apps.terminal import note


@click.command()
@click.option(
    "--folder",
    default="kinema-jobs",
    show_default=True,
    metavar="FOLDER",
    help="Where jobs and their videos are kept.",
)
@click.option("--host", metavar="ADDRESS", help="Default: 127.0.0.1, this machine alone.")
@click.option("--port", type=int, metavar="N", help="0 takes a free one. Default: 8765.")
@click.option(
    "--tokens",
    metavar="FILE",
    help="Lines 'name secret' of those who may use it; needed where other machines can.",
)
@click.option("--config", metavar="FILE.toml", help="As of `kinema serve`.")
@click.option(
    "--annotate", metavar="FOLDER", help="Step through its photos and write MC-Bench items."
)
@click.option("--out", metavar="FOLDER", help="Where the items go.")
@click.option("--browser/--no-browser", default=True, help="Whether to open the page.")
def command(
    folder: str,
    tokens: str | None,
    config: str | None,
    annotate: str | None,
    out: str | None,
    browser: bool,
    **given: Any,
) -> None:
    """Open the studio: say what should move, see it move, render it.

    \b
      kinema studio
      kinema studio --annotate photos --out items
    """  # noqa: D301
    if (annotate is None) != (out is None):
        raise InputError("--annotate FOLDER and --out FOLDER are given together.")
    settings = read_settings(folder, tokens, config, {"backbones": (), **given})
    from kinema_apps.service.logs import log_as_json
    from kinema_apps.service.server import serve
    from kinema_apps.studio import app
    from kinema_apps.studio.annotation import Annotation

    annotation = Annotation(Path(annotate), Path(out)) if annotate and out else None
    application = app(settings, annotation=annotation)

    def ready(address: str) -> None:
        note(f"The studio is at {address}/studio/ (Ctrl-C ends it)")
        if browser and not os.environ.get("CI"):
            # A browser that is slow to start must not keep the server from starting.
            threading.Thread(
                target=webbrowser.open, args=(f"{address}/studio/",), daemon=True
            ).start()

    log_as_json()
    serve(application, settings, ready)
