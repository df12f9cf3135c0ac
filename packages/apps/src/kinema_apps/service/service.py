"""The service itself: its store, its files, its worker, and who waits for news of a job."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

from filelock import FileLock, Timeout

from kinema.errors import InputError
from kinema_apps.service import wire
from kinema_apps.service.catalogue import Catalogue
from kinema_apps.service.dispatcher import Dispatcher
from kinema_apps.service.engines import Engine, make_engine
from kinema_apps.service.job_files import JobFiles
from kinema_apps.service.measures import Measures
from kinema_apps.service.problems import NoPlace
from kinema_apps.service.settings import Settings
from kinema_apps.service.store import KeyTaken, QueueFull, Store
from kinema_apps.service.tables import Job
from kinema_apps.service.uploads import Upload, digest_of

#: What a job is taken to need before the first is done, in seconds.
GUESS = 10.0


class News:
    """Wakes those who wait for events of a job; they live in the event loop, the news does not."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    def open(self) -> None:
        """Belong to the loop that is running."""
        self._loop = asyncio.get_running_loop()

    def tell(self, job: str) -> None:
        """There is a new event; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake, job)

    def _wake(self, job: str) -> None:
        for event in self._waiting.get(job, ()):
            event.set()

    def listen(self, job: str) -> asyncio.Event:
        """An event that is set whenever there is news; give it back to :meth:`leave`."""
        event = asyncio.Event()
        self._waiting[job].add(event)
        return event

    def leave(self, job: str, event: asyncio.Event) -> None:
        """Listen no more."""
        self._waiting[job].discard(event)
        if not self._waiting[job]:
            del self._waiting[job]


class Service:
    """What the routes call. Methods that touch the store may take milliseconds."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings)
        self.measures = Measures()
        self.news = News()
        self._engine = engine
        # Another thread closes the service than opened it.
        self._lock = FileLock(settings.folder / ".kinema.lock", thread_local=False)

    def claim(self) -> None:
        """Keep every other service out of the folder, and open the store in it.

        Raises:
            InputError: another service uses the folder, or it cannot be written to.
        """
        if self._lock.is_locked:
            return
        folder = self.settings.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"Another service is at work in the folder {str(folder)!r}. Stop it, or choose "
                "another folder."
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"The folder {str(folder)!r} cannot be used: {reason}.") from None
        try:
            self.store = Store(folder / "jobs.sqlite3")
            self.files = JobFiles(folder)
        except BaseException:
            self._lock.release()
            raise

    def open(self) -> None:
        """Start the worker; called where the event loop runs.

        Raises:
            InputError: as :meth:`claim`.
            KinemaError: the engine does not come up.
        """
        self.claim()
        try:
            self.dispatcher = Dispatcher(
                self.store,
                self.files,
                self._engine or make_engine(self.settings),
                self.settings,
                {entry.name: entry.session for entry in self.catalogue},
                self.measures,
                self.news.tell,
            )
            self.measures.watch(self.store.counts, lambda: self.dispatcher.ready)
            self.news.open()
            self.dispatcher.start()
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """End the worker and let go of the folder."""
        self.dispatcher.close()
        self._let_go()

    def _let_go(self) -> None:
        self.store.close()
        self._lock.release()

    # -- jobs ---------------------------------------------------------------------------------

    def check_place(self, client: str, key: str | None) -> None:
        """Refuse before an upload is read that would find no place.

        Raises:
            NoPlace: the queue is full, and the client has no job under that idempotency key.
        """
        if key is not None and self.store.by_key(client, key) is not None:
            return
        waiting = self.store.counts().get("queued", 0)
        if waiting >= self.settings.limits.queue:
            raise self._no_place(QueueFull(1, mine=False))

    def create(
        self,
        client: str,
        key: str | None,
        request: wire.JobRequest,
        photos: Mapping[str, Sequence[Upload]],
    ) -> tuple[Job, bool]:
        """Queue a job; and whether it is new, or the one of that idempotency key.

        Raises:
            NoPlace: the queue is full.
            InputError: the key belongs to another request, or an option is not to be had.
        """
        entry = self.catalogue.check(request)
        names: dict[str, list[str]] = {}
        contents: dict[str, BinaryIO] = {}
        for kind, uploads in photos.items():
            for number, each in enumerate(uploads, 1):
                name = f"{kind}-{number}{each.suffix}" if number > 1 else kind + each.suffix
                names.setdefault(kind, []).append(name)
                contents[name] = each.file
        digests = {kind: [each.sha256 for each in uploads] for kind, uploads in photos.items()}
        digest = digest_of(request, digests)
        if key is not None and (held := self.store.by_key(client, key)) is not None:
            return _same(held, digest), False
        told = request.model_dump(mode="json", exclude_none=True)
        told["uploads"] = names
        job = secrets.token_hex(16)
        size = self.files.take_in(job, contents)
        try:
            made = self.store.add(
                job=job,
                client=client,
                key=key,
                digest=digest,
                backbone=entry.name,
                request=told,
                size=size,
                queue=self.settings.limits.queue,
                per_client=self.settings.limits.queue_per_client,
            )
        except BaseException as error:
            self.files.delete(job)
            if isinstance(error, KeyTaken):
                return _same(error.job, digest), False
            if isinstance(error, QueueFull):
                raise self._no_place(error) from None
            raise
        self.dispatcher.wake()
        return made, True

    def cancel(self, job: str) -> Job | None:
        """Ask a job to end; the job as it then is."""
        found = self.store.cancel(job)
        self.dispatcher.wake()
        self.news.tell(job)
        return found

    def delete(self, job: str) -> bool:
        """Delete a job that is over and all its files; False if it is not over."""
        gone = self.store.delete(job)
        if gone:
            self.files.delete(job)
            self.news.tell(job)
        return gone

    # -- estimates ----------------------------------------------------------------------------

    def wait_of(self, places: int) -> float:
        """Seconds until a job begins that so many go before."""
        each = self.store.usual_seconds() or GUESS
        return round(max(1.0, each * places / self.dispatcher.slots), 1)

    def _no_place(self, full: QueueFull) -> NoPlace:
        self.measures.refused()
        seconds = self.wait_of(full.ahead)
        limits = self.settings.limits
        whose = (
            f"Of one client, {limits.queue_per_client} jobs wait at most"
            if full.mine
            else f"At most {limits.queue} jobs wait"
        )
        return NoPlace(f"{whose}. Try again in about {seconds:g} seconds.", seconds)


def _same(job: Job, digest: str) -> Job:
    if job.digest != digest:
        raise InputError(
            "The idempotency key belongs to another request. Use a new key for a new job."
        )
    return job
