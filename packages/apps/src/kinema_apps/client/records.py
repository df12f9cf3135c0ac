"""What a service tells of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]

#: States that nothing follows.
FINAL: tuple[State, ...] = ("succeeded", "failed", "cancelled")


@attrs.frozen(kw_only=True)
class Result:
    """What a job made.

    Attributes:
        size: (width, height).
        frames: T.
        fps: frames per second.
        videos: path on the server by form, such as ``mp4``.
        frames_sha256: of the exact frames, before they were encoded.
        notes: what was chosen for the caller, in words.
    """

    size: tuple[int, int]
    frames: int
    fps: float
    videos: Mapping[str, str]
    frames_sha256: str
    notes: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Job:
    """A job as it was when the service was asked.

    Attributes:
        id: who knows it can fetch the result.
        state: queued, running, succeeded, failed or cancelled.
        backbone: what makes it.
        tries: how often it was begun.
        step, steps: how far it is; 0 of 0 before the first step.
        position: jobs before it in the queue, while it waits.
        wait_seconds: estimate until it begins, while it waits.
        result: once it has succeeded.
        error_code, error_message: once it has failed.
        data: all that the service said.
    """

    id: str
    state: State
    backbone: str
    tries: int
    step: int
    steps: int
    position: int | None
    wait_seconds: float | None
    result: Result | None
    error_code: str
    error_message: str
    data: Mapping[str, Any] = attrs.field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Job:
        """Of a service's JSON; what it says beyond is in ``data``."""
        error, made = data.get("error") or {}, data.get("result")
        result = made and Result(
            size=(made["size"][0], made["size"][1]),
            frames=made["frames"],
            fps=made["fps"],
            videos=made["videos"],
            frames_sha256=made["frames_sha256"],
            notes=tuple(made["notes"]),
        )
        return cls(
            id=data["id"],
            state=data["state"],
            backbone=data["backbone"],
            tries=data["tries"],
            step=data["step"],
            steps=data["steps"],
            position=data.get("position"),
            wait_seconds=data.get("wait_seconds"),
            result=result or None,
            error_code=error.get("code", ""),
            error_message=error.get("message", ""),
            data=data,
        )


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened to a job.

    Attributes:
        id: its place; a stream can be gone on with after it.
        kind: queued, started, progress, picture, again, succeeded, failed or cancelled.
        data: more of it, such as ``step`` and ``steps``.
    """

    id: int
    kind: str
    data: Mapping[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether no other follows."""
        return self.kind in FINAL
