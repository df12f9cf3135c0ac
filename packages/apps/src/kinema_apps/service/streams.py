"""The events of a job as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from kinema_apps.service import wire
from kinema_apps.service.service import Service
from kinema_apps.service.states import FINAL
from kinema_apps.service.tables import Event

#: Seconds after which a comment is sent, so that proxies keep a silent stream open.
BEAT = 10.0

#: Seconds that a stream lasts; a client goes on where it was with ``Last-Event-ID``.
LONGEST = 3600.0

MEDIA_TYPE = "text/event-stream"


async def stream(service: Service, job: str, after: int) -> AsyncIterator[str]:
    """What happened after the event of that id, and what happens, until the job is over."""
    news = service.news.listen(job)
    end = asyncio.get_running_loop().time() + LONGEST
    service.measures.stream(1)
    try:
        while asyncio.get_running_loop().time() < end:
            news.clear()
            events = await run_in_threadpool(service.store.events, job, after)
            for event in events:
                after = event.id
                yield written(job, event)
                if event.kind in FINAL:
                    return
            if not events and await run_in_threadpool(service.store.get, job) is None:
                return  # it was deleted
            try:
                await asyncio.wait_for(news.wait(), BEAT)
            except TimeoutError:
                yield ": still here\n\n"
    finally:
        service.measures.stream(-1)
        service.news.leave(job, news)


def written(job: str, event: Event) -> str:
    """One event in the form of the wire."""
    data = told(job, event).model_dump_json(exclude_none=True)
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"


def told(job: str, event: Event) -> wire.JobEvent:
    """What a caller is told of an event."""
    data = dict(event.data)
    at = wire.moment(event.at)
    assert at is not None
    name = data.get("name")
    return wire.JobEvent(
        job=job,
        kind=event.kind,
        at=at,
        step=data.get("step"),
        steps=data.get("steps"),
        picture=f"/v1/jobs/{job}/pictures/{name}" if name else None,
        reason=data.get("reason"),
        error=wire.JobError(**data) if event.kind == "failed" else None,
    )
