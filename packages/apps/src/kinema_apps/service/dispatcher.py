"""The thread that hands jobs to workers and writes down what becomes of them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from kinema_apps.service.engines import Engine, Told
from kinema_apps.service.job_files import JobFiles
from kinema_apps.service.measures import Measures
from kinema_apps.service.settings import Settings
from kinema_apps.service.store import Store
from kinema_apps.service.tables import Job
from kinema_apps.service.tasks import Said, Task

LOG = logging.getLogger("kinema.service")

#: Seconds between two looks at the clock: at jobs that take too long, and at what is to be deleted.
TICK = 0.5
SWEEP = 60.0

#: Seconds that a worker has to stop a job that was cancelled, before it is ended.
CANCEL_PATIENCE = 15.0


@attrs.define
class Work:
    """What a worker is at."""

    task: Task
    backbone: str
    begun: float
    cancelled: float | None = None
    overdue: bool = False


class Dispatcher:
    """Gives waiting jobs to workers, one at a time each.

    Args:
        changed: called with the id of a job of which there is a new event, from this thread.
    """

    def __init__(
        self,
        store: Store,
        files: JobFiles,
        engine: Engine,
        settings: Settings,
        sessions: Mapping[str, Mapping[str, Any]],
        measures: Measures,
        changed: Callable[[str], None],
    ) -> None:
        self._store, self._files, self._engine = store, files, engine
        self._settings, self._sessions, self._measures = settings, sessions, measures
        self._changed = changed
        self._inbox: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
        self._idle: list[str] = []
        self._busy: dict[str, Work] = {}
        self._closing = threading.Event()
        self._swept = 0.0
        self._thread = threading.Thread(target=self._run, name="kinema-dispatcher", daemon=True)

    @property
    def slots(self) -> int:
        """How many jobs are made at once."""
        return self._engine.slots

    @property
    def busy(self) -> dict[str, Work]:
        """What the workers are at, by their names."""
        return dict(self._busy)

    @property
    def ready(self) -> bool:
        """Whether there is a worker, and the thread lives."""
        return self._thread.is_alive() and bool(self._idle or self._busy)

    def start(self) -> None:
        """Take up what an earlier server left, and begin."""
        self._recover()
        self._engine.start(self._inbox.put)
        self._thread.start()

    def wake(self) -> None:
        """Look at the store now: there is a new job, or one was cancelled."""
        self._inbox.put(None)

    def close(self) -> None:
        """Begin no job any more, wait a while for running ones, and end the workers.

        What still runs then is begun again by the next server, or failed, as the settings say.
        """
        self._closing.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(self._settings.drain_seconds + 2 * TICK)
        self._engine.close()
        if self._thread.is_alive():
            self._thread.join(2 * TICK)

    # -- the loop -----------------------------------------------------------------------------

    def _run(self) -> None:
        end = None
        while end is None or (self._busy and time.monotonic() < end):
            if self._closing.is_set():
                end = end or time.monotonic() + self._settings.drain_seconds
            told = self._next()
            try:
                self._turn(told, begin=end is None)
            except Exception:  # such as a full disk: nothing that was told may be lost
                LOG.exception("the dispatcher failed in a turn")
                time.sleep(TICK)
                self._inbox.put(told)

    def _next(self) -> Told | None:
        try:
            return self._inbox.get(timeout=TICK)
        except queue.Empty:
            return None

    def _turn(self, told: Told | None, begin: bool) -> None:
        if told is not None:
            self._hear(told)
        while begin and self._idle:
            job = self._store.take()
            if job is None:
                break
            self._begin(self._idle.pop(0), job)
        self._look_at_clock()

    def _begin(self, worker: str, job: Job) -> None:
        uploads = job.request["uploads"]

        def paths(kind: str) -> tuple[str, ...]:
            names = uploads.get(kind, ())
            return tuple(str(self._files.uploaded(job.id, name).absolute()) for name in names)

        try:
            folder = self._files.begin(job.id, job.tries)
        except OSError as error:
            self._idle.append(worker)
            self._fail(job.id, job.tries, job.backbone, "files", f"Its files are gone: {error}.")
            return
        task = Task(
            job=job.id,
            tried=job.tries,
            folder=str(folder.absolute()),
            photo=paths("photo")[0],
            last_image="".join(paths("last_image")),
            plate="".join(paths("plate")),
            references=paths("references"),
            request={k: v for k, v in job.request.items() if k != "uploads"},
            session=self._sessions.get(job.backbone, {"backbone": job.backbone}),
        )
        self._busy[worker] = Work(task, job.backbone, time.monotonic())
        LOG.info("job started", extra={"job": job.id, "try": job.tries, "worker": worker})
        self._engine.give(worker, task)
        self._changed(job.id)

    def _hear(self, told: Told) -> None:
        if told.kind == "lost":
            self._lost(told)
            return
        said = told.said
        assert said is not None
        if said.kind == "ready":
            self._idle.append(told.worker)
        elif said.kind in ("progress", "picture"):
            data = said.data
            pictures = [data["name"]] if said.kind == "picture" else []
            self._store.advance(said.job, said.tried, data["step"], data["steps"], pictures)
            self._changed(said.job)
        else:
            self._over(told.worker, said)

    def _over(self, worker: str, said: Said) -> None:
        """A worker says that its job is over."""
        work = self._busy.get(worker)
        if work is None or (work.task.job, work.task.tried) != (said.job, said.tried):
            return
        if said.kind == "succeeded":
            size = self._files.size(said.job)
            result = {**said.data, "try": said.tried}
            if self._store.finish(said.job, said.tried, "succeeded", result=result, size=size):
                self._measures.job_over(work.backbone, "succeeded", time.monotonic() - work.begun)
                LOG.info("job succeeded", extra={"job": said.job, "try": said.tried})
        elif said.kind == "cancelled":
            self._end_cancelled(said.job, said.tried, work.backbone)
        else:
            data = said.data
            self._fail(said.job, said.tried, work.backbone, data["code"], data["message"])
        del self._busy[worker]
        self._idle.append(worker)
        self._changed(said.job)

    def _lost(self, told: Told) -> None:
        """A worker went away; its job is begun again or failed, and no other is touched."""
        if told.worker in self._idle:
            self._idle.remove(told.worker)
        work = self._busy.get(told.worker)
        if work is None or self._closing.is_set():
            self._busy.pop(told.worker, None)
            return
        self._measures.worker_lost()
        task = work.task
        if work.overdue:
            text = f"It took longer than {self._settings.limits.job_seconds:g} seconds."
            self._fail(task.job, task.tried, work.backbone, "timeout", text)
        else:
            reason = f"Its worker went away: {told.reason}"
            self._again_or_fail(task.job, task.tried, reason, self._settings.on_crash)
        del self._busy[told.worker]
        self._changed(task.job)

    def _look_at_clock(self) -> None:
        """Hand on cancellations, end what takes too long, and delete what has expired."""
        now = time.monotonic()
        running = {job.id: job for job in self._store.running()}
        for worker, work in self._busy.items():
            job = running.pop(work.task.job, None)
            if job is not None and job.cancelling and work.cancelled is None:
                work.cancelled = now
                self._engine.cancel(worker, work.task)
            stuck = work.cancelled is not None and now - work.cancelled > CANCEL_PATIENCE
            if now - work.begun > self._settings.limits.job_seconds and not work.overdue:
                work.overdue = stuck = True
            if stuck:
                self._engine.kill(worker)
        for job in running.values():
            # A turn failed between the store and the worker.
            self._again_or_fail(job.id, job.tries, "No worker had it", self._settings.on_crash)
            self._changed(job.id)
        if now - self._swept > SWEEP:
            self._swept = now
            self._sweep()

    # -- ends ---------------------------------------------------------------------------------

    def _fail(self, job: str, tried: int, backbone: str, code: str, message: str) -> None:
        error = {"code": code, "message": message}
        if self._store.finish(job, tried, "failed", error=error, size=self._files.size(job)):
            self._measures.job_over(backbone, "failed")
            LOG.warning(
                "job failed", extra={"job": job, "try": tried, "code": code, "why": message}
            )

    def _end_cancelled(self, job: str, tried: int, backbone: str) -> None:
        if self._store.finish(job, tried, "cancelled", size=self._files.size(job)):
            self._measures.job_over(backbone, "cancelled")
            LOG.info("job cancelled", extra={"job": job, "try": tried})

    def _again_or_fail(self, job: str, tried: int, reason: str, fate: str) -> None:
        """End a try that gave nothing, through nobody's will."""
        found = self._store.get(job)
        if found is None:
            return
        if found.cancelling:
            self._end_cancelled(job, tried, found.backbone)
        elif fate == "again" and tried < self._settings.tries:
            self._store.again(job, tried, reason)
            LOG.warning("job again", extra={"job": job, "try": tried, "reason": reason})
        else:
            tries = f" It was tried {tried} times." if tried > 1 else ""
            self._fail(job, tried, found.backbone, "crash", f"{reason}.{tries}")

    def _recover(self) -> None:
        """Jobs that were running when a server went away, and folders that no job has."""
        for name in self._files.drop_unknown(self._store.ids()):
            LOG.info("files without a job were deleted", extra={"job": name})
        reason = "The server went away while it was made"
        for job in self._store.running():
            self._again_or_fail(job.id, job.tries, reason, self._settings.on_restart)

    def _sweep(self) -> None:
        """Delete finished jobs that are older, or larger together, than is kept."""
        keep = self._settings.retention
        for job in self._store.outlived(time.time() - keep.days * 86400, keep.bytes):
            if self._store.delete(job):
                self._files.delete(job)
                LOG.info("job expired", extra={"job": job})
        self._store.forget_turns()
