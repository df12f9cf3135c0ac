"""A command that does something itself, and has others below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class CommandAbove(click.Command):
    """A command whose first word may name another one below it.

    A group of click's cannot have a free argument of its own: it would take the name for it.
    """

    def __init__(self, *given: Any, commands: Mapping[str, click.Command], **named: Any) -> None:
        super().__init__(*given, **named)
        self.commands = dict(commands)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        """That of the command below, where one is named."""
        below = self.commands.get(args[0]) if args else None
        if below is None:
            return super().make_context(info_name, args, parent, **extra)
        return below.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands below, after the options."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(70)) for name, each in self.commands.items()]
            )
        super().format_epilog(ctx, formatter)
