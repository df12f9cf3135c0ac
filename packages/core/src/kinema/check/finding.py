"""One thing that is wrong, or likely to be wrong, with a motion."""

from __future__ import annotations

from typing import Literal

import attrs


@attrs.frozen
class Finding:
    """One mistake.

    Attributes:
        severity: ``error`` if the motion cannot be used as it is, ``warning`` if it can but is
            likely not what was meant.
        where: the place, such as ``drags[2]``, ``camera`` or ``file``.
        message: what is wrong, with the actual values, and what to do.
    """

    severity: Literal["error", "warning"]
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity} at {self.where}: {self.message}"


def error(where: str, message: str) -> Finding:
    """A finding that makes the motion unusable."""
    return Finding("error", where, message)


def warning(where: str, message: str) -> Finding:
    """A finding that makes the motion doubtful."""
    return Finding("warning", where, message)
