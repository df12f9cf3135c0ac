"""``kinema completion``: the script that teaches a shell to complete ``kinema``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from kinema.errors import KinemaError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
      bash:  eval "$(kinema completion bash)"      in ~/.bashrc
      zsh:   eval "$(kinema completion zsh)"       in ~/.zshrc
      fish:  kinema completion fish | source       in config.fish
    """  # noqa: D301
    kind = get_completion_class(shell)
    if kind is None:
        raise KinemaError(f"This version of click cannot complete for {shell}; update it.")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "kinema", "_KINEMA_COMPLETE").source())
