"""The ``kinema`` command. ``kinema --help`` loads neither torch nor numpy."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from kinema.errors import InputError, KinemaError, KinemaWarning, PluginError
from kinema.found import Found
from kinema.offers import COMMAND, CommandOffer
from kinema.plugins import Plugins
from kinema_apps import plugin

DISTRIBUTION = "kinema-apps"

#: What keeps other libraries' words and progress bars off the screen, also in worker processes;
#: kinema says what matters of them itself. Set one of these yourself to hear them.
QUIET = {
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}

#: What a shell reports for a program ended by Ctrl-C.
INTERRUPTED = 130


def installed() -> Plugins:
    """The installed plugins; this package's own commands are always among what they offer."""
    plugins = Plugins.installed()
    if not any(item.source.distribution == DISTRIBUTION for item in plugins.all(COMMAND)):
        # A test has hidden the environment, or another plugin has taken the name of ours.
        own = SimpleNamespace(kinema_commands=plugin.kinema_commands)
        plugins.register(own, DISTRIBUTION, DISTRIBUTION, version(DISTRIBUTION))
    return plugins


class Commands(click.Group):
    """The commands that plugins offer, each built only when it is asked for.

    A plugin that is broken, or whose command has another one's name, spoils no other command.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names: this package's own in their order, then those of other plugins."""
        own = list(plugin.COMMANDS)
        names = {item.offer.name for item in installed().all(COMMAND)}
        return sorted(names, key=lambda name: (own.index(name) if name in own else len(own), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each name with the summary of its offer, so that no command is imported."""
        lines = self._lines(ctx)
        limit = max(30, formatter.width - 6 - max(map(len, lines)))
        short = {
            n: click.Command(n, help=line).get_short_help_str(limit) for n, line in lines.items()
        }
        with formatter.section("Commands"):
            formatter.write_dl(list(short.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, and the options; no command is imported."""
        lines = self._lines(ctx).items()
        names = [
            CompletionItem(name, help=line) for name, line in lines if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def _lines(self, ctx: click.Context) -> dict[str, str]:
        offered: dict[str, list[Found[CommandOffer]]] = {}
        for item in installed().all(COMMAND):
            offered.setdefault(item.offer.name, []).append(item)
        return {name: _line(offered[name]) for name in self.list_commands(ctx)}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, with ``--debug`` added.

        Raises:
            PluginError: two plugins offer it, or it cannot be built.
        """
        plugins = installed()
        if not any(item.offer.name == cmd_name for item in plugins.all(COMMAND)):
            return None
        command = plugins.build(COMMAND, cmd_name)
        if not isinstance(command, click.Command):
            raise PluginError(
                f"The command {cmd_name!r} of {plugins.find(COMMAND, cmd_name).source} is a "
                f"{type(command).__name__}; it must be a click.Command."
            )
        for each in (command, *getattr(command, "commands", {}).values()):
            if not any(parameter.name == "debug" for parameter in each.params):
                each.params.append(_debug_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the choices where the command is unknown."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            try:
                installed().find(COMMAND, args[0])
            except InputError as error:
                raise click.UsageError(str(error), ctx) from None
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, which would take an early end of a file for Ctrl-C."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise InputError(f"A file ends too early: {error}.") from error

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run; exit with 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
        given = list(sys.argv[1:] if args is None else args)
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        extra["standalone_mode"] = False
        try:
            with _our_warnings("--debug" in given):
                outcome = super().main(given, prog_name, **extra)
        except Exception as error:
            _end(error, "--debug" in given)
        except SystemExit as error:
            # Our own commands return their code: this comes out of a plugin or a library.
            stopped = f"Something that was loaded ended the program (code {error.code!r})"
            _end(PluginError(f"{stopped}; nothing was written."), "--debug" in given)
        except KeyboardInterrupt:
            _interrupted()
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _line(items: Sequence[Found[CommandOffer]]) -> str:
    """What the help says of a command."""
    if len(items) > 1:
        return f"Offered by {' and by '.join(str(item.source) for item in items)}."
    return str(items[0].offer.summary)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        help="On an error, show where in the code it arose.",
    )


@contextmanager
def _our_warnings(debug: bool) -> Iterator[None]:
    """Say what ours warn of in a line each; what libraries warn of tells a person nothing."""
    import warnings

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, KinemaWarning):
            click.echo(f"  {_printable(str(message))}", err=True)

    if debug:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("always", KinemaWarning)
        warnings.showwarning = show
        yield


def _printable(text: str) -> str:
    """One line that every terminal takes: what is no text of it is escaped."""
    line = " ".join(text.replace("\0", "\\0").split())
    return line.encode("utf-8", "backslashreplace").decode()


def _interrupted() -> NoReturn:
    click.echo("Cancelled.", err=True)
    sys.exit(INTERRUPTED)


def _is_out_of_memory(error: Exception) -> bool:
    # torch raises its own class on a GPU, and a RuntimeError on the CPU.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
    )


def _unusable(error: Exception) -> str | None:
    """What is said of an error that only what was given can cause, wherever it arises."""
    if isinstance(error, OverflowError):
        return "A number is too large to work with"
    if isinstance(error, RecursionError):
        return "Something is nested too deeply to be read"
    if isinstance(error, RuntimeError) and "Symlink loop" in str(error):
        return "A link leads back to itself"
    if isinstance(error, UnicodeError):
        return "A name or a text holds what is no text"
    if isinstance(error, ValueError) and "null" in str(error):
        return "A name holds a zero byte, which no file can have"
    return None


def _end(error: Exception, debug: bool) -> NoReturn:
    """Say in one line what went wrong, and exit."""
    if isinstance(error, click.exceptions.Abort):
        _interrupted()
    if debug:
        traceback.print_exception(error)
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "kinema"
        text, code = f"{error.format_message().rstrip('.')}. See '{path} --help'.", 2
    elif isinstance(error, click.ClickException):
        text, code = error.format_message(), 2
    elif isinstance(error, KinemaError):
        text, code = str(error), error.exit_code
    elif isinstance(error, OSError) and error.filename is not None:
        text, code = f"{str(error.filename)!r} cannot be used: {error.strerror or error}.", 2
    elif (said := _unusable(error)) is not None:
        text, code = f"{said} ({error}). Look at what was given.", 2
    elif _is_out_of_memory(error):
        text, code = (
            "There is not enough memory for this. Ask for a smaller size or fewer frames.",
            1,
        )
    else:
        text, code = f"{type(error).__name__}: {error}. Run again with --debug for the details.", 1
    click.echo(f"Error: {_printable(text)}", err=True)
    sys.exit(code)


@click.group(
    "kinema",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="kinema", prog_name="kinema")
def cli() -> None:
    """Say what in a photo should move, and how; get a video.

    `kinema animate` alone animates a photo that comes along. Exit codes: 0, 2 for bad input, 1 for
    a failure, 130 after Ctrl-C.
    """


def main() -> None:
    """The entry point of the ``kinema`` command."""
    if "weights" not in sys.argv[1:2]:
        # Nothing else downloads; a library that would ask the model hub is told not to.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    cli.main(prog_name="kinema")


if __name__ == "__main__":
    # For launchers of several processes, which start a module.
    main()
