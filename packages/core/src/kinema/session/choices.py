"""What a caller names for a session: one or several of a kind, in order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kinema.errors import InputError

#: One controller or several in order, each a name or the folder of a trained one.
Controllers = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None


def choices_of(controller: Controllers) -> list[str]:
    """The controllers that are chosen, in order.

    Raises:
        InputError: one is named twice.
    """
    if controller is None or isinstance(controller, (str, os.PathLike)):
        controller = [controller] if controller else []
    choices = [os.fspath(each) for each in controller]
    twice = next((each for each in choices if choices.count(each) > 1), None)
    if twice is not None:
        raise InputError(f"The controller {twice!r} is named twice.")
    return choices


def names_of(conditions: Any) -> list[str] | None:
    """Names of conditions.

    Raises:
        InputError: it is no list of names.
    """
    if conditions is None:
        return None
    if isinstance(conditions, (str, Mapping)):
        raise InputError(
            f"conditions is a list of names, got {type(conditions).__name__}; the options of "
            "conditions go into condition_options."
        )
    return [str(name) for name in conditions]
