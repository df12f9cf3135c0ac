"""The client without asyncio."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

import httpx

from kinema.errors import Cancelled
from kinema.files import write_atomically
from kinema.motion.motion import Motion
from kinema_apps.client import messages
from kinema_apps.client.errors import Busy, JobFailed
from kinema_apps.client.messages import TRIES, JobOptions, PhotoFile, Reader, Upload
from kinema_apps.client.records import Event, Job

OnProgress = Callable[[int, int], None]


class Client:
    """Calls a service.

    Requests that nobody answers are sent again, a new job under one idempotency key, so that it is
    made once.

    Args:
        url: of the service, with the path under which a proxy serves it.
        token: where the service wants one.
        user: which of the token's users calls; the service is fair among them.
        timeout: seconds of silence after which a request is given up.
        transport: for tests; what carries the requests.

    Raises:
        ServiceError: from every method: the service refuses, or cannot be reached.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        token: str | None = None,
        user: str = "",
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/",
            headers=messages.headers(token, user),
            timeout=timeout,
            transport=transport,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    # -- jobs ---------------------------------------------------------------------------------

    def create(
        self,
        photo: PhotoFile,
        motion: Motion | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        patience: float = 0.0,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Queue a job.

        Args:
            photo: a path, or the bytes of a JPEG, PNG or WebP file.
            motion: its masks are embedded.
            idempotency_key: the same request under the same key gives the same job.
            patience: seconds to wait for a place where the queue is full.
            options: see :class:`JobOptions`.

        Raises:
            Busy: the queue is full.
            Refused: something cannot be used; it is an InputError.
        """
        upload = Upload(photo, motion, options)
        if idempotency_key is not None:
            upload.key = idempotency_key
        end = time.monotonic() + patience
        while True:
            try:
                return Job.of(self._sent(upload).json())
            except Busy as busy:
                if time.monotonic() + busy.wait_seconds > end:
                    raise
                time.sleep(busy.wait_seconds)

    def status(self, job: str) -> Job:
        """A job as it is now."""
        return Job.of(self._call("GET", f"v1/jobs/{job}").json())

    def jobs(self, *, state: str | None = None, limit: int = 50) -> list[Job]:
        """The caller's own jobs, latest first."""
        query = {"limit": limit, **({"state": state} if state else {})}
        told = self._call("GET", "v1/jobs", params=query).json()
        return [Job.of(each) for each in told["jobs"]]

    def cancel(self, job: str) -> Job:
        """End a waiting job at once, and a running one between two steps."""
        return Job.of(self._call("POST", f"v1/jobs/{job}/cancel").json())

    def delete(self, job: str) -> None:
        """Delete a job that is over, with its photo and its video."""
        self._call("DELETE", f"v1/jobs/{job}")

    def events(self, job: str, after: int = 0) -> Iterator[Event]:
        """What happens to a job, from its first event to its last, through broken connections.

        Args:
            after: only events after that one.
        """
        reader, tried = Reader(after), 0
        while True:
            before = reader.after
            try:
                path, told = f"v1/jobs/{job}/events", reader.headers()
                with self._http.stream("GET", path, headers=told) as answer:
                    if answer.status_code == 204:
                        return
                    if not answer.is_success:
                        answer.read()
                    messages.check(answer)
                    for line in answer.iter_lines():
                        for event in reader.feed(line):
                            yield event
                            if event.is_last:
                                return
            except httpx.TransportError as error:
                tried = 0 if reader.after > before else tried + 1
                if tried >= TRIES:
                    raise messages.unreachable(self._http.base_url, error) from error
                time.sleep(messages.pause(tried))

    def wait(self, job: str, on_progress: OnProgress | None = None) -> Job:
        """Wait until a job is over.

        Args:
            on_progress: called with (step, steps).

        Raises:
            JobFailed: it failed.
            Cancelled: it was cancelled.
        """
        for event in self.events(job):
            if event.kind == "progress" and on_progress is not None:
                on_progress(event.data["step"], event.data["steps"])
        return succeeded(self.status(job))

    # -- what jobs make -----------------------------------------------------------------------

    def video(self, job: str, form: str = "mp4") -> bytes:
        """The file of the video in one of the forms that the job was asked for."""
        return self._call("GET", f"v1/jobs/{job}/video.{form}").content

    def manifest(self, job: str) -> dict[str, Any]:
        """How the video was made."""
        told: dict[str, Any] = self._call("GET", f"v1/jobs/{job}/manifest").json()
        return told

    def animate(
        self,
        photo: PhotoFile,
        motion: Motion | Mapping[str, Any],
        out: str | os.PathLike[str],
        *,
        on_progress: OnProgress | None = None,
        patience: float = 600.0,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Make a video and write it to ``out``, whose suffix says the form.

        Raises:
            Busy, Refused: as :meth:`create`.
            JobFailed, Cancelled: as :meth:`wait`.
        """
        target, form = Path(out), Path(out).suffix[1:].lower() or "mp4"
        options["forms"] = [form]
        job = self.create(photo, motion, patience=patience, **options)
        done = self.wait(job.id, on_progress)
        content = self.video(job.id, form)
        write_atomically(target, lambda part: part.write_bytes(content))
        return done

    # -- the service --------------------------------------------------------------------------

    def offers(self) -> dict[str, Any]:
        """Backbones with the schemas of their options, and the limits."""
        told: dict[str, Any] = self._call("GET", "v1/offers").json()
        return told

    def is_ready(self) -> bool:
        """Whether a worker is there."""
        return self._http.get("readyz").status_code == 200

    # -- sending ------------------------------------------------------------------------------

    def _sent(self, upload: Upload) -> httpx.Response:
        for tried in range(TRIES):
            try:
                return messages.check(self._http.send(upload.request(self._http)))
            except httpx.TransportError as error:
                if tried + 1 == TRIES:
                    raise messages.unreachable(self._http.base_url, error) from error
            time.sleep(messages.pause(tried))
        raise AssertionError("unreachable")

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        for tried in range(TRIES):
            try:
                return messages.check(self._http.request(method, path, **more))
            except httpx.TransportError as error:
                if tried + 1 == TRIES:
                    raise messages.unreachable(self._http.base_url, error) from error
            time.sleep(messages.pause(tried))
        raise AssertionError("unreachable")


def succeeded(job: Job) -> Job:
    """The job, if it has a video.

    Raises:
        JobFailed: it failed.
        Cancelled: it was cancelled.
    """
    if job.state == "failed":
        raise JobFailed(job)
    if job.state == "cancelled":
        raise Cancelled(f"The job {job.id} was cancelled.")
    return job
