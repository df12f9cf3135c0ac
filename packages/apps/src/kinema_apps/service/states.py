"""The states of a job and what may follow what."""

from __future__ import annotations

from typing import Literal

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]

#: States that nothing follows.
FINAL: tuple[State, ...] = ("succeeded", "failed", "cancelled")

#: What a stream of events tells.
EventKind = Literal[
    "queued", "started", "progress", "picture", "again", "succeeded", "failed", "cancelled"
]
