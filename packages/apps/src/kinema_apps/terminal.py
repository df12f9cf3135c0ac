"""What commands say while they work: on stderr, so that results can be piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kinema.errors import FormError, InputError

if TYPE_CHECKING:
    from rich.progress import Progress


def note(text: str) -> None:
    """Say something that was assumed or done."""
    click.echo(f"  {text}", err=True)


def notes(texts: Iterable[str]) -> None:
    """Say several things, each once."""
    for text in dict.fromkeys(texts):
        note(text)


@contextmanager
def in_flags() -> Iterator[None]:
    """Word what a backbone cannot make in options of the command line.

    Raises:
        InputError: instead of a FormError.
    """
    try:
        yield
    except FormError as error:
        (width, height), frames = error.asked
        raise InputError(
            f"The backbone {error.backbone!r} cannot make {frames} frames of {width}x{height} "
            f"pixels. Ask for {error.way_out('--size {w}x{h}', '--frames {0}', ' ')}."
        ) from None


class Bar:
    """A progress bar that is on the screen, if there is one."""

    def __init__(self, shown: Progress | None, label: str) -> None:
        self._shown = shown
        self._task = None if shown is None else shown.add_task(label, total=None)

    def label(self, text: str) -> None:
        """Say what is being done now."""
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, description=text)

    def advance(self, step: int, steps: int) -> None:
        """Show that ``step`` of ``steps`` is done."""
        if self._shown is not None and self._task is not None:
            self._shown.update(self._task, completed=step, total=steps)


@contextmanager
def progress(label: str, remaining: bool = False) -> Iterator[Bar]:
    """Show a bar on stderr while the body runs; nothing is shown where that is no terminal.

    ``remaining`` adds the time that is left.
    """
    if not sys.stderr.isatty():
        yield Bar(None, label)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total}"),
        TimeElapsedColumn(),
        *((TextColumn("left"), TimeRemainingColumn()) if remaining else ()),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        yield Bar(shown, label)


def parse_settings(option: str, settings: Sequence[str]) -> dict[str, str]:
    """``key=value`` words as a mapping; dashes in keys count as underscores.

    Raises:
        InputError: a word has no ``=`` or a key comes twice.
    """
    found: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise InputError(f"{option} {setting!r} is not of the form key=value.")
        name = key.strip()
        if "." not in name:
            name = name.replace("-", "_")
        if name in found:
            raise InputError(f"{option} names {key!r} twice.")
        found[name] = value.strip()
    return found
