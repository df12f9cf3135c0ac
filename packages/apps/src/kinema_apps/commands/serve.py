"""``kinema serve``: the service that other products call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from kinema.errors import InputError
from kinema.files import read_text
from kinema.offers import BACKBONE
from kinema_apps.session_options import complete
from kinema_apps.terminal import note

if TYPE_CHECKING:
    from kinema_apps.service import Settings

#: A token of one client, for those who need no file.
TOKEN = "KINEMA_TOKEN"


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
    help="Lines 'name secret' of those who may call. The environment variable KINEMA_TOKEN holds "
    "one alone. Needed where other machines can call.",
)
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="NAME",
    shell_complete=complete(BACKBONE),
    help="A backbone that jobs may name; repeatable. Default: all that are installed.",
)
@click.option(
    "--config",
    metavar="FILE.toml",
    help="Backbones with their weights and options, limits, retention: see the page 'Call the "
    "service'. Options win.",
)
@click.option("--engine", type=click.Choice(["local", "ray"]), help="Where videos are made.")
@click.option("--workers", type=int, metavar="N", help="Of the engine ray.")
@click.option(
    "--on-restart",
    type=click.Choice(["again", "fail"]),
    help="What happens to a job that was running when the server went away. Default: again.",
)
@click.option(
    "--on-crash",
    type=click.Choice(["again", "fail"]),
    help="What happens to a job whose worker went away. Default: fail.",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="A host name of it.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="A web page elsewhere that may call it, as in https://app.example. Repeatable.",
)
@click.option("--proxy", "proxies", multiple=True, metavar="ADDRESS", help="A proxy to believe.")
@click.option("--root-path", metavar="PATH", help="Where a proxy serves it, as in /kinema.")
def command(folder: str, tokens: str | None, config: str | None, **given: Any) -> None:
    """Serve jobs over HTTP, and keep them through restarts.

    \b
      kinema serve
      kinema serve --host 0.0.0.0 --tokens tokens.txt --backbone svd
    """  # noqa: D301
    from kinema_apps.service import app

    settings = read_settings(folder, tokens, config, given)
    application = app(settings)
    from kinema_apps.service.logs import log_as_json
    from kinema_apps.service.server import serve

    log_as_json()
    serve(application, settings, lambda address: note(f"Serving on {address} (Ctrl-C ends it)"))


def read_settings(
    folder: str, tokens: str | None, config: str | None, given: dict[str, Any]
) -> Settings:
    """The settings of a file, and of options, which win.

    Raises:
        InputError: one of them cannot be used.
    """
    from kinema.config import from_mapping
    from kinema_apps.service.settings import Settings, read_tokens

    data: dict[str, Any] = _toml(config) if config else {}
    what = f"The settings {config!r}" if config else "The settings"
    backbones = given.pop("backbones")
    if backbones:
        told = data.get("backbones", {})
        data["backbones"] = {name: told.get(name, {}) for name in backbones}
    for name, value in given.items():
        if value not in (None, ()):
            data[name] = value
    if tokens:
        data["tokens"] = read_tokens(_text(tokens))
    if os.environ.get(TOKEN):
        data["tokens"] = {**data.get("tokens", {}), "token": os.environ[TOKEN]}
    return from_mapping(Settings, {"folder": folder, **data}, what)


def _toml(path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"The settings {path!r} are not TOML: {error}.") from None


def _text(path: str) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"The file {path!r} cannot be read: {reason}.") from None
