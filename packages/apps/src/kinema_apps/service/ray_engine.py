"""Workers as actors of a Ray cluster, or of a local Ray where none is named.

Photos and videos travel with the tasks, so that the nodes need no common folder.
"""

from __future__ import annotations

import itertools
import json
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from kinema.clips.preparation.ray_engine import share
from kinema.errors import InputError, KinemaError
from kinema.extras import require
from kinema_apps.service.engines import Tell, Told
from kinema_apps.service.tasks import Said, Task

LOG = logging.getLogger("kinema.service")

#: Workers where the settings name no number and the cluster has no GPU.
WORKERS = 2

#: Seconds before an actor that could not be made, or went away, is replaced.
PAUSE = 1.0


class Worker:
    """What runs in an actor: one video at a time, while a second thread hears of cancellations."""

    def __init__(self, sessions: int, pictures: bool) -> None:
        from kinema_apps.service.rendering import Renderer

        self._renderer = Renderer(sessions, pictures)
        self._cancelled: set[tuple[str, int]] = set()

    def ready(self) -> bool:
        """Answers once the actor is there."""
        return True

    def cancel(self, job: str, tried: int) -> None:
        """Let that try of a job end between two steps."""
        self._cancelled.add((job, tried))

    def render(self, text: str, photos: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Make a video: what is said on the way, as JSON, with the files that go with it."""
        from kinema_apps.service.remote_work import rendered

        yield from rendered(self._renderer, text, photos, self._cancelled)


class RayEngine:
    """Keeps some actors alive; see :class:`kinema_apps.service.engines.Engine`.

    Each takes one CPU of the cluster, and one GPU where it has some.

    Args:
        workers: how many; 0 takes one per GPU, or two where there is none.

    Raises:
        ExtraError: Ray is not installed.
    """

    def __init__(self, workers: int = 0, sessions: int = 1, pictures: bool = True) -> None:
        require("ray", "kinema-apps[ray]", "The engine 'ray'")
        if workers < 0:
            raise InputError(f"workers must be at least 0, got {workers!r}.")
        self._wanted, self._told = workers, (sessions, pictures)
        self._numbers = itertools.count(1)
        self._actors: dict[str, Any] = {}
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._started = False
        self._gpus = 0

    @property
    def slots(self) -> int:
        """How many actors there are when all is well."""
        return max(1, self._wanted)

    @property
    def actors(self) -> dict[str, Any]:
        """Those that are alive, by the name of the worker."""
        return dict(self._actors)

    def start(self, tell: Tell) -> None:
        """Join the cluster that ``RAY_ADDRESS`` names, or start one here, and make the actors.

        Raises:
            KinemaError: Ray does not come up.
        """
        import ray

        self._started = not ray.is_initialized()
        if self._started:
            try:
                ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # Ray raises plain ones when its processes do not come up
                raise KinemaError(f"Ray could not be started: {error}") from error
        cluster = ray.cluster_resources()
        self._gpus = share("auto", cluster)
        if not self._wanted:
            self._wanted = int(cluster["GPU"]) if self._gpus else WORKERS
        for _ in range(self._wanted):
            thread = threading.Thread(target=self._keep, args=(tell,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def give(self, worker: str, task: Task) -> None:
        """Send the task, and its photos, to the actor."""
        actor = self._actors.get(worker)
        if actor is not None:  # else it went away, which is told by the thread that keeps it
            actor.inbox.put(task)

    def cancel(self, worker: str, task: Task) -> None:
        """Tell the actor."""
        actor = self._actors.get(worker)
        if actor is not None:
            actor.handle.cancel.remote(task.job, task.tried)

    def kill(self, worker: str) -> None:
        """End the actor."""
        import ray

        actor = self._actors.get(worker)
        if actor is not None:
            ray.kill(actor.handle)

    def close(self) -> None:
        """End all actors, and Ray if it was started here."""
        import ray

        self._closed.set()
        for actor in self._actors.copy().values():
            actor.inbox.put(None)
            with suppress(ray.exceptions.RayError):
                ray.kill(actor.handle)
        for thread in self._threads:
            thread.join(10)
        if self._started:
            ray.shutdown()

    def _keep(self, tell: Tell) -> None:
        """One place: an actor, and another one whenever it goes away."""
        while not self._closed.is_set():
            name = f"ray-{next(self._numbers)}"
            try:
                self._live(name, tell)
                reason = "it was ended"
            except Exception as error:  # of Ray, in many kinds
                reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            self._actors.pop(name, None)
            if not self._closed.is_set():
                LOG.warning("worker lost", extra={"worker": name, "reason": reason})
            tell(Told(kind="lost", worker=name, reason=reason))
            self._closed.wait(PAUSE)

    def _live(self, name: str, tell: Tell) -> None:
        import ray

        actor = _Actor(
            # Two threads: one makes a video while the other hears that it is cancelled.
            ray.remote(num_cpus=1, num_gpus=self._gpus, max_concurrency=2)(Worker).remote(
                *self._told
            )
        )
        self._actors[name] = actor
        ray.get(actor.handle.ready.remote())
        LOG.info("worker started", extra={"worker": name})
        tell(Told(kind="said", worker=name, said=Said(kind="ready")))
        while (task := actor.next_task()) is not None:
            stream = actor.handle.render.options(num_returns="streaming").remote(
                json.dumps(attrs.asdict(task)), _photos(task)
            )
            for reference in stream:
                text, files = ray.get(reference)
                for file, content in files.items():
                    _write(Path(task.folder) / file, content)
                tell(Told(kind="said", worker=name, said=Said(**json.loads(text))))


class _Actor:
    """An actor and the task that it is to take up."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.inbox: queue.SimpleQueue[Task | None] = queue.SimpleQueue()

    def next_task(self) -> Task | None:
        """Wait for the next; None ends the actor.

        Raises:
            RayError: the actor went away while it had nothing to do.
        """
        import ray

        while True:
            try:
                return self.inbox.get(timeout=1.0)
            except queue.Empty:
                ray.get(self.handle.ready.remote())


def _photos(task: Task) -> dict[str, bytes]:
    """The photos of a task by their paths."""
    paths = [task.photo, task.last_image, task.plate, *task.references]
    return {path: Path(path).read_bytes() for path in paths if path}


def _write(path: Path, content: bytes) -> None:
    from kinema.files import write_atomically

    write_atomically(path, lambda part: part.write_bytes(content))
