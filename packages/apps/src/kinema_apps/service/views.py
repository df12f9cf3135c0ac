"""Rows and files as callers see them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from kinema_apps.service import wire
from kinema_apps.service.service import Service
from kinema_apps.service.tables import Job


def status_of(service: Service, job: Job, order: Mapping[str, int] | None = None) -> wire.JobStatus:
    """A job as callers see it.

    Args:
        order: places of the waiting jobs, where a caller has them already.
    """
    position = wait = None
    if job.state == "queued":
        if order is None:
            order = {each: place for place, each in enumerate(service.store.order())}
        position = order.get(job.id)
        wait = None if position is None else service.wait_of(position + 1)
    created = wire.moment(job.created)
    assert created is not None
    return wire.JobStatus(
        id=job.id,
        state=job.state,
        backbone=job.backbone,
        created=created,
        started=wire.moment(job.started),
        finished=wire.moment(job.finished),
        tries=job.tries,
        step=job.step,
        steps=job.steps,
        cancelling=job.cancelling,
        position=position,
        wait_seconds=wait,
        result=_result(job),
        error=None if job.error is None else wire.JobError.model_validate(job.error),
    )


def _result(job: Job) -> wire.JobResult | None:
    if job.result is None:
        return None
    told, here = job.result, f"/v1/jobs/{job.id}"
    return wire.JobResult(
        size=told["size"],
        frames=told["frames"],
        fps=told["fps"],
        videos={form: f"{here}/video.{form}" for form in told["forms"]},
        manifest=f"{here}/manifest",
        frames_sha256=told["frames_sha256"],
        notes=told["notes"],
    )


#: Entries of a manifest that hold paths of the server.
_PLACES = ("offers", "files", "photo", "last_image", "references", "plate", "choices")


def public_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without the folders of the server: of paths, the names remain."""
    return {name: _named(value) if name in _PLACES else value for name, value in manifest.items()}


def _named(value: Any) -> Any:
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute():
                return kind(value).name
        return value
    if isinstance(value, Mapping):
        return {_named(key): _named(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    return value
