"""The ``kinema`` command. ``kinema --help`` loads neither torch nor numpy."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from kinema.errors import KinemaError, suggestion

#: Each command, in the order of ``kinema --help``, and the file that holds it.
COMMANDS = {
    "animate": "animate",
    "rerun": "rerun",
    "render-motion": "render_motion",
    "motion": "motion",
    "condition": "condition",
    "weights": "weights",
    "convert": "convert",
    "prepare": "prepare",
    "train": "train",
    "evaluate": "evaluate",
    "warm-up": "warm_up",
    "plugins": "plugins",
    "show": "show",
    "doctor": "doctor",
    "completion": "completion",
}

#: What a shell reports for a program ended by Ctrl-C.
INTERRUPTED = 130


class Commands(click.Group):
    """Imports a command's file only when that command is asked for, and words every failure."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, with ``--debug`` added."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"kinema_apps.commands.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        for each in (command, *getattr(command, "commands", {}).values()):
            if not any(parameter.name == "debug" for parameter in each.params):
                each.params.append(_debug_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a near miss."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(
                f"Unknown command {args[0]!r}.{suggestion(args[0], COMMANDS)} "
                f"Choose one of: {', '.join(COMMANDS)}.",
                ctx,
            )
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run; exit with 0, 2 for bad input, 1 for a failure, 130 when interrupted."""
        given = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        try:
            outcome = super().main(given, prog_name, **extra)
        except Exception as error:
            _end(error, "--debug" in given)
        except KeyboardInterrupt:
            _interrupted()
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        help="On an error, show where in the code it arose.",
    )


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
    elif _is_out_of_memory(error):
        text, code = (
            "There is not enough memory for this. Ask for a smaller size or fewer frames.",
            1,
        )
    else:
        text, code = f"{type(error).__name__}: {error}. Run again with --debug for the details.", 1
    click.echo(f"Error: {' '.join(text.split())}", err=True)
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
    cli.main(prog_name="kinema")


if __name__ == "__main__":
    # For launchers of several processes, which start a module.
    main()
