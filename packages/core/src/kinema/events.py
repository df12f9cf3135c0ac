"""Calling the observers of a run."""

from __future__ import annotations

import warnings
from typing import Any

import pluggy


def notify(observers: pluggy.HookRelay, event: str, **values: Any) -> None:
    """Call ``event`` on every observer; one that fails is named in a warning, nothing more."""
    for implementation in getattr(observers, event).get_hookimpls():
        try:
            implementation.function(*(values[name] for name in implementation.argnames))
        except Exception as error:
            warnings.warn(
                f"The plugin {implementation.plugin_name!r} failed in {event}: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
