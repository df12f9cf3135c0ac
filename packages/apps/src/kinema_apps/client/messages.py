"""Requests and answers of a service, whoever sends them."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import attrs
import httpx

from kinema.errors import InputError
from kinema.motion.motion import Motion
from kinema_apps.client.errors import Busy, Refused, ServiceError
from kinema_apps.client.records import Event

#: A file of a photo, or its bytes.
PhotoFile = str | os.PathLike[str] | bytes

#: How often a request is sent that nobody answers, and the seconds between.
TRIES, PAUSE = 4, 0.5


class JobOptions(TypedDict, total=False):
    """What a job may say beside photo and motion; the service's own choice where it says nothing.

    ``size`` is (width, height), ``sample`` and ``options`` are those that the service's offers
    list, and ``forms`` some of mp4, webm, gif and webp.
    """

    backbone: str
    prompt: str
    negative_prompt: str
    size: tuple[int, int]
    frames: int
    fps: float
    seed: int
    sample: Mapping[str, Any]
    options: Mapping[str, Any]
    forms: Sequence[str]
    last_image: PhotoFile
    plate: PhotoFile
    references: Sequence[PhotoFile]


def headers(token: str | None, user: str) -> dict[str, str]:
    """Those of every request."""
    told = {"user-agent": "kinema-client"}
    if token:
        told["authorization"] = f"Bearer {token}"
    if user:
        told["kinema-client"] = user
    return told


@attrs.define
class Upload:
    """A new job as a request, the same at every try."""

    photo: PhotoFile
    motion: Motion | Mapping[str, Any]
    options: JobOptions
    key: str = attrs.field(factory=lambda: secrets.token_hex(16))

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request of one try.

        Raises:
            InputError: a photo cannot be read.
            MotionError: the motion's masks cannot be read.
        """
        told: dict[str, Any] = dict(self.options)
        parts: list[tuple[str, Any]] = [("photo", _part(self.photo))]
        for name in ("last_image", "plate"):
            if (photo := told.pop(name, None)) is not None:
                parts.append((name, _part(photo)))
        parts += [("references", _part(each)) for each in told.pop("references", None) or ()]
        motion = self.motion
        document = motion.embedded().to_dict() if isinstance(motion, Motion) else dict(motion)
        job = {"motion": document, **{n: v for n, v in told.items() if v is not None}}
        parts.append(("job", ("job.json", json.dumps(job).encode(), "application/json")))
        return client.build_request(
            "POST", "v1/jobs", files=parts, headers={"idempotency-key": self.key}
        )


def _part(photo: PhotoFile) -> tuple[str, bytes, str]:
    # The name of a caller's file is nobody else's business, and the type is looked at anyway.
    try:
        content = photo if isinstance(photo, bytes) else Path(photo).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"The photo {str(photo)!r} cannot be read: {reason}.") from None
    return "photo", content, "application/octet-stream"


def check(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is what was asked for; its body has been read.

    Raises:
        ServiceError: it is not.
    """
    if answer.is_success:
        return answer
    detail, wait = answer.text[:200], 1.0
    try:
        told = answer.json()
        detail, wait = str(told["detail"]), float(told.get("wait_seconds") or wait)
    except (ValueError, TypeError, KeyError):
        pass  # a proxy's page
    text = f"The service answers {answer.status_code}: {detail}"
    if answer.status_code == 429:
        raise Busy(text, 429, wait)
    kind = Refused if answer.status_code in (400, 404, 409, 413, 415, 422) else ServiceError
    raise kind(text, answer.status_code)


def unreachable(url: Any, error: Exception) -> ServiceError:
    """The error of a service that does not answer."""
    reason = str(error) or type(error).__name__
    return ServiceError(f"The service at {url} cannot be reached: {reason}")


def pause(tried: int) -> float:
    """Seconds to wait after so many tries."""
    return PAUSE * math.pow(2, tried)


@attrs.define
class Reader:
    """Puts the lines of an event stream together."""

    after: int = 0
    _fields: dict[str, str] = attrs.field(factory=dict)

    def headers(self) -> dict[str, str]:
        """Of the request that goes on after the last event."""
        return {"last-event-id": str(self.after)} if self.after else {}

    def feed(self, line: str) -> Iterator[Event]:
        """The event that a line completes, if it does."""
        name, colon, value = line.partition(":")
        if line and name:
            self._fields[name] = value.removeprefix(" ") if colon else ""
        elif not line and "data" in self._fields:
            told, self._fields = self._fields, {}
            self.after = int(told.get("id", self.after))
            yield Event(id=self.after, kind=told.get("event", ""), data=json.loads(told["data"]))
