"""The routes of the service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from kinema.errors import InputError
from kinema_apps.service import measures, streams, wire
from kinema_apps.service.media_types import MEDIA_TYPES
from kinema_apps.service.openapi import CREATE
from kinema_apps.service.problems import documented
from kinema_apps.service.service import Service
from kinema_apps.service.states import State
from kinema_apps.service.tables import Job
from kinema_apps.service.uploads import PHOTOS, Upload, check_photo, read_request
from kinema_apps.service.views import public_manifest, status_of

#: Uploads that are looked at together; pictures and JSON take memory while they are.
AT_ONCE = 4

#: Errors that any route may answer with.
ALWAYS = (400, 401, 403)

KEY = r"^[\x21-\x7e]{1,128}$"


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _client(request: Request) -> str:
    client: str = request.state.client
    return client


The = Annotated[Service, Depends(_service)]
Client = Annotated[str, Depends(_client)]
Id = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{32}$")]


def _job(job: Id, service: The, client: Client) -> Job:
    found = service.store.get(job)
    # Another holder's job is as good as none: whether it exists is not said either.
    if found is None or found.client.partition("/")[0] != client.partition("/")[0]:
        raise HTTPException(404, "There is no such job.")
    return found


ThisJob = Annotated[Job, Depends(_job)]

health = APIRouter(tags=["health"])
jobs = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=documented(*ALWAYS))
offers = APIRouter(prefix="/v1", tags=["offers"], responses=documented(*ALWAYS))


# -- health ---------------------------------------------------------------------------------------


@health.get("/healthz", summary="Whether the server lives", responses=documented(403))
def is_alive() -> wire.Health:
    """Always ok, as long as it answers."""
    return wire.Health(status="ok", version=version("kinema-apps"))


@health.get(
    "/readyz",
    summary="Whether jobs are made",
    responses={
        503: {"model": wire.Health, "description": "No worker is there."},
        **documented(403),
    },
)
def is_ready(service: The, response: Response) -> wire.Health:
    """Whether a worker is there and the store can be read."""
    service.store.counts()
    ready = service.dispatcher.ready
    response.status_code = 200 if ready else 503
    return wire.Health(status="ok" if ready else "unready", version=version("kinema-apps"))


@health.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(*ALWAYS),
    },
)
def figures(service: The) -> Response:
    """In the text form of Prometheus."""
    return Response(service.measures.text(), headers={"content-type": measures.MEDIA_TYPE})


@offers.get("/offers", summary="What the service can do")
def what_it_offers(service: The) -> wire.Offers:
    """Backbones with the JSON Schemas of their options and their native forms, and limits."""
    return service.catalogue.describe()


# -- jobs -----------------------------------------------------------------------------------------


@jobs.post(
    "",
    summary="Create a job",
    status_code=201,
    response_model=wire.JobStatus,
    openapi_extra=CREATE,
    responses={
        200: {"model": wire.JobStatus, "description": "The job of that idempotency key."},
        **documented(408, 413, 415, 422, 429),
    },
)
async def create(
    request: Request,
    response: Response,
    service: The,
    client: Client,
    idempotency_key: Annotated[str | None, Header(pattern=KEY)] = None,
) -> wire.JobStatus:
    """Queue a video of a photo and a Motion.

    With an `Idempotency-Key`, the same request again gives the same job, so that a client whose
    connection broke can repeat it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise HTTPException(415, "Send multipart/form-data with the parts 'photo' and 'job'.")
    await run_in_threadpool(service.check_place, client, idempotency_key)
    limits = service.settings.limits
    async with (
        request.form(
            max_files=limits.photos + 1, max_fields=4, max_part_size=limits.job_bytes
        ) as form,
        request.app.state.looking,
    ):
        told, uploads = await _looked_at(form, service)
        job, new = await run_in_threadpool(service.create, client, idempotency_key, told, uploads)
    response.status_code = 201 if new else 200
    response.headers["location"] = f"/v1/jobs/{job.id}"
    return await run_in_threadpool(status_of, service, job)


async def _looked_at(
    form: FormData, service: Service
) -> tuple[wire.JobRequest, dict[str, list[Upload]]]:
    """What the parts of a form hold: the request, and the photos by the names of their parts.

    Raises:
        InputError: a part is absent, unknown, or cannot be used.
    """
    limits = service.settings.limits
    unknown = [name for name in form if name != "job" and name not in PHOTOS]
    if unknown:
        raise InputError(f"Unknown part {unknown[0][:40]!r}. Parts: job, {', '.join(PHOTOS)}.")
    text = form.getlist("job")
    if len(text) != 1:
        raise InputError("The part 'job' is needed once: JSON that says what to make.")
    if isinstance(text[0], UploadFile):
        if (text[0].size or 0) > limits.job_bytes:
            raise InputError(f"The part 'job' has more than {limits.job_bytes} bytes.")
        raw = await text[0].read()
    else:
        raw = text[0].encode()
    request, _ = await run_in_threadpool(read_request, raw, limits)
    uploads: dict[str, list[Upload]] = {}
    for name, most in PHOTOS.items():
        parts = form.getlist(name)
        if len(parts) > most or sum(map(len, uploads.values())) + len(parts) > limits.photos:
            raise InputError(f"There are too many parts {name!r}.")
        for part in parts:
            if not isinstance(part, UploadFile):
                raise InputError(f"The part {name!r} must be a file.")
            looked = await run_in_threadpool(check_photo, part.file, name.replace("_", " "), limits)
            uploads.setdefault(name, []).append(looked)
    if "photo" not in uploads:
        raise InputError("The part 'photo' is needed.")
    return request, uploads


@jobs.get("", summary="List jobs", responses=documented(422))
def list_jobs(
    service: The,
    client: Client,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    state: State | None = None,
) -> wire.JobList:
    """The caller's own jobs, latest first."""
    found = service.store.of_client(client, limit, before, state)
    order = {job: place for place, job in enumerate(service.store.order())}
    return wire.JobList(
        jobs=[status_of(service, job, order) for job in found],
        next=found[-1].seq if len(found) == limit else None,
    )


@jobs.get("/{job}", summary="A job as it is now", responses=documented(404, 422))
def status(found: ThisJob, service: The) -> wire.JobStatus:
    """Its state, how far it is, and what it made."""
    return status_of(service, found)


@jobs.post("/{job}/cancel", summary="Cancel a job", responses=documented(404, 409, 422))
def cancel(found: ThisJob, service: The) -> wire.JobStatus:
    """End a waiting job at once, and a running one between two steps.

    A job that is cancelled already stays so; one that is over otherwise cannot be cancelled.
    """
    now = service.cancel(found.id)
    if now is None:
        raise HTTPException(404, "There is no such job.")
    if now.state in ("succeeded", "failed"):
        raise HTTPException(409, f"The job is over: it has {now.state}.")
    return status_of(service, now)


@jobs.delete("/{job}", summary="Delete a job", status_code=204, responses=documented(404, 409, 422))
def delete(found: ThisJob, service: The) -> None:
    """Forget a job that is over, with its photo and its video."""
    if not service.delete(found.id):
        raise HTTPException(409, "The job is not over; cancel it first.")


@jobs.get(
    "/{job}/events",
    summary="What happens to a job",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events; the data of each is a JobEvent.",
            "content": {"text/event-stream": {}},
        },
        204: {"description": "Nothing more will happen."},
        **documented(404, 422, 503),
    },
)
async def events(
    found: ThisJob,
    service: The,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None,
) -> Response:
    """A stream from the first event, or the one after `Last-Event-ID`, to the last.

    Kinds: queued, started, progress, picture, again, succeeded, failed, cancelled.
    """
    if service.measures.open_streams >= service.settings.limits.streams:
        raise HTTPException(503, "Too many event streams are open; ask for the status instead.")
    after = int(last_event_id) if last_event_id else after
    if found.is_final and not await run_in_threadpool(service.store.events, found.id, after):
        return Response(status_code=204)

    async def flow() -> AsyncIterator[str]:
        async for text in streams.stream(service, found.id, after):
            yield text

    return StreamingResponse(flow(), media_type=streams.MEDIA_TYPE)


# -- files of a job -------------------------------------------------------------------------------


def _file(path: Path | None, media_type: str, name: str = "") -> FileResponse:
    if path is None:
        raise HTTPException(404, "There is no such file.")
    return FileResponse(path, media_type=media_type, filename=name or None)


_VIDEO: dict[str, Any] = {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES.values()
}


@jobs.get(
    "/{job}/video.{form}",
    summary="The video",
    response_class=FileResponse,
    responses={200: {"content": _VIDEO}, 206: {"content": _VIDEO}, 416: {}, **documented(404, 422)},
)
def video(found: ThisJob, form: wire.VideoForm, service: The) -> FileResponse:
    """In one of the forms that the job was asked for; parts of it with `Range`."""
    path = service.files.made(found, f"video.{form}") if found.state == "succeeded" else None
    return _file(path, MEDIA_TYPES[form], f"kinema-{found.id[:8]}.{form}")


@jobs.get(
    "/{job}/manifest",
    summary="How the video was made",
    responses=documented(404, 422),
)
def manifest(found: ThisJob, service: The) -> dict[str, Any]:
    """The manifest, with file names instead of the server's paths."""
    path = service.files.made(found, "manifest.json") if found.state == "succeeded" else None
    if path is None:
        raise HTTPException(404, "There is no such file.")
    return public_manifest(json.loads(path.read_text(encoding="utf-8")))


@jobs.get(
    "/{job}/pictures/{name}",
    summary="A rough picture of a step",
    response_class=FileResponse,
    responses={200: {"content": {"image/webp": _VIDEO["image/webp"]}}, **documented(404, 422)},
)
def picture(
    found: ThisJob,
    name: Annotated[str, PathParameter(pattern=r"^step-\d{4}\.webp$")],
    service: The,
) -> FileResponse:
    """A small moving picture of the unfinished video, named by an event."""
    return _file(service.files.made(found, name), "image/webp")


@jobs.get(
    "/{job}/photo",
    summary="The photo",
    response_class=FileResponse,
    responses={
        200: {"content": {f"image/{kind}": {} for kind in ("jpeg", "png", "webp")}},
        **documented(404, 422),
    },
)
def photo(found: ThisJob, service: The) -> FileResponse:
    """As it was uploaded."""
    (name,) = found.request["uploads"]["photo"]
    path = service.files.uploaded(found.id, name)
    kind = {".jpg": "jpeg"}.get(path.suffix, path.suffix[1:])
    return _file(path if path.is_file() else None, f"image/{kind}")


@jobs.get("/{job}/request", summary="What was asked for", responses=documented(404, 422))
def asked(found: ThisJob) -> wire.JobRequest:
    """As it was sent, so that it can be changed and sent again."""
    told = {name: value for name, value in found.request.items() if name != "uploads"}
    return wire.JobRequest.model_validate(told)


def looking() -> asyncio.Semaphore:
    """How many uploads are looked at together."""
    return asyncio.Semaphore(AT_ONCE)
