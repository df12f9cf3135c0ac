"""What goes over the wire, in and out; the OpenAPI document is made of these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kinema_apps.service.states import EventKind, State

#: Characters of a prompt.
MOST_TEXT = 4000

Seed = Annotated[int, Field(ge=-(2**63), lt=2**64, strict=True)]
Side = Annotated[int, Field(ge=1, strict=True)]
VideoForm = Literal["mp4", "webm", "gif", "webp"]
Option = bool | int | float | str | list[int | float]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class JobRequest(_In):
    """What to make: a Motion, and options; the photo is another part of the request."""

    motion: dict[str, Any] = Field(description="A Motion document.")
    backbone: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="A name of `/v1/offers`; the default of the service unless given."
    )
    prompt: Annotated[str, Field(max_length=MOST_TEXT)] = Field(
        "", description="What is seen, for backbones that read text."
    )
    negative_prompt: Annotated[str, Field(max_length=MOST_TEXT)] | None = Field(
        None, description="What is not seen; the backbone's own unless given."
    )
    size: tuple[Side, Side] | None = Field(
        None, description="(width, height); chosen for the backbone unless given."
    )
    frames: Annotated[int, Field(ge=2, strict=True)] | None = Field(None, description="T.")
    fps: Annotated[float, Field(gt=0, le=1000, strict=True)] | None = None
    seed: Seed = 0
    sample: dict[str, Option] = Field({}, description="Options of the sampling.")
    options: dict[str, Option] = Field({}, description="Options of the backbone.")
    forms: Annotated[list[VideoForm], Field(min_length=1, max_length=4)] = Field(
        ["mp4"], description="The forms in which the video is written."
    )


class JobError(BaseModel):
    """Why a job failed."""

    code: str = Field(
        description="input, motion, weights, memory, timeout, crash, files, plugin, failed or "
        "internal."
    )
    message: str


class JobResult(BaseModel):
    """What a job made."""

    size: tuple[int, int]
    frames: int
    fps: float
    videos: dict[str, str] = Field(description="Where each form lies, below the server's address.")
    manifest: str
    frames_sha256: str = Field(description="Of the exact frames, before they were encoded.")
    notes: list[str] = Field(description="What was chosen for the caller, in words.")


class JobStatus(BaseModel):
    """A job as it is now."""

    id: str
    state: State
    backbone: str
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    tries: int = Field(description="How often it was begun.")
    step: int = Field(description="Steps done of this try.")
    steps: int = Field(description="Steps of this try; 0 before the first is done.")
    cancelling: bool = Field(description="Whether it was asked to end.")
    position: int | None = Field(None, description="Jobs before it in the queue, while it waits.")
    wait_seconds: float | None = Field(None, description="Estimate until it begins.")
    result: JobResult | None = None
    error: JobError | None = None


class JobList(BaseModel):
    """Jobs of the caller, latest first."""

    jobs: list[JobStatus]
    next: int | None = Field(None, description="Give it as `before` for the jobs that follow.")


class JobEvent(BaseModel):
    """The data of one server-sent event; its `event` is the kind, its `id` the place."""

    job: str
    kind: EventKind
    at: datetime
    step: int | None = None
    steps: int | None = None
    picture: str | None = Field(None, description="Where a rough picture of the step lies.")
    reason: str | None = Field(None, description="Why it is begun again.")
    error: JobError | None = None


class NativeFormOut(BaseModel):
    """The form that a backbone makes best."""

    size: tuple[int, int]
    frames: int
    fps: float
    multiple: int = Field(description="Widths and heights are multiples of it.")


class BackboneOut(BaseModel):
    """A backbone that jobs can name."""

    name: str
    summary: str
    default: bool
    distribution: str
    version: str
    native: NativeFormOut | None
    reads: list[str] = Field(description="What it reads beside photo and motion.")
    options: dict[str, Any] = Field(description="JSON Schema of a job's `options`.")
    sample: dict[str, Any] = Field(description="JSON Schema of a job's `sample`.")
    licences: list[str]


class LimitsOut(BaseModel):
    """What is refused beyond."""

    photo_bytes: int
    photo_pixels: int
    photos: int
    job_bytes: int
    points: int
    regions: int
    frames: int
    side: int
    video_pixels: int
    steps: int


class Offers(BaseModel):
    """What the service can do."""

    version: str
    backbones: list[BackboneOut]
    forms: list[VideoForm]
    limits: LimitsOut


class Health(BaseModel):
    """Whether the service works."""

    status: Literal["ok", "unready"]
    version: str


class Problem(BaseModel):
    """What is wrong with a request (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    wait_seconds: float | None = Field(None, description="Of 429: when to try again, an estimate.")


def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as a time with its zone."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
