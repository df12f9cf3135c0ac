"""What a worker is told and what it says: plain records, which travel as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import attrs

#: Exit code of a worker that ran out of memory and is to be replaced.
SHORT_OF_MEMORY = 77

#: What a worker says: it can take a task; a job is so far; it drew a picture; a try is over.
Saying = Literal["ready", "progress", "picture", "succeeded", "failed", "cancelled"]


@attrs.frozen(kw_only=True)
class Task:
    """One try of a job.

    Attributes:
        job, tried: which.
        folder: where its files go; exists and is empty.
        photo: path of the photo.
        last_image, plate: paths, or empty.
        references: paths.
        request: what was asked for, as it came over the wire.
        session: what :class:`kinema.Session` takes, as plain data; ``backbone`` is its name.
    """

    job: str
    tried: int
    folder: str
    photo: str
    last_image: str = ""
    plate: str = ""
    references: tuple[str, ...] = ()
    request: Mapping[str, Any]
    session: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Said:
    """What a worker said.

    Attributes:
        job, tried: what of; empty and 0 for ``ready``.
        data: more of it.
    """

    kind: Saying
    job: str = ""
    tried: int = 0
    data: Mapping[str, Any] = attrs.field(factory=dict)


def line(record: Task | Said | Mapping[str, Any]) -> str:
    """A record as one line of JSON."""
    plain = record if isinstance(record, Mapping) else attrs.asdict(record)
    return json.dumps(plain, separators=(",", ":")) + "\n"
