"""A service for tests, of applications that are built on it too: real but for its worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import uvicorn
from fastapi import FastAPI

from kinema_apps.client import Client
from kinema_apps.service import Settings
from kinema_apps.service.application import application
from kinema_apps.service.engines import Engine, Tell, Told
from kinema_apps.service.server import configured, listen
from kinema_apps.service.service import Service
from kinema_apps.service.tasks import Said, Saying, Task


class ScriptedEngine:
    """Workers that do what a test says, when it says so, and load no model.

    Args:
        slots: how many there are; they are called ``w0``, ``w1`` and so on.
        by_itself: whether every task succeeds at once.
    """

    def __init__(self, slots: int = 1, by_itself: bool = True) -> None:
        self.slots = slots
        self.by_itself = by_itself
        self.tasks: list[Task] = []
        self.cancelled: list[Task] = []
        self.killed: list[str] = []
        self._tell: Tell = lambda told: None
        self._given = threading.Condition()
        self._at: dict[str, Task] = {}

    def start(self, tell: Tell) -> None:
        """All workers are ready."""
        self._tell = tell
        for number in range(self.slots):
            self.arrive(f"w{number}")

    def arrive(self, worker: str) -> None:
        """A worker is ready."""
        self._tell(Told(kind="said", worker=worker, said=Said(kind="ready")))

    def give(self, worker: str, task: Task) -> None:
        """Remember the task, and do it at once if ``by_itself``."""
        with self._given:
            self.tasks.append(task)
            self._at[worker] = task
            self._given.notify_all()
        if self.by_itself:
            self.succeed(worker)

    def wait_for(self, count: int) -> Task:
        """The task of that number, counted from 1."""
        with self._given:
            if not self._given.wait_for(lambda: len(self.tasks) >= count, 20):
                raise TimeoutError(f"{len(self.tasks)} tasks were given, not {count}.")
            return self.tasks[count - 1]

    def say(self, worker: str, kind: Saying, **data: Any) -> None:
        """A worker says something of the task it has."""
        task = self._at[worker]
        said = Said(kind=kind, job=task.job, tried=task.tried, data=data)
        self._tell(Told(kind="said", worker=worker, said=said))

    def succeed(self, worker: str = "w0") -> None:
        """A worker has written a video."""
        folder = Path(self._at[worker].folder)
        (folder / "video.mp4").write_bytes(b"moving")
        (folder / "manifest.json").write_text('{"files": {"/models/svd/unet.bin": "00"}}')
        told = {"size": [32, 16], "frames": 2, "fps": 8.0, "forms": {"mp4": 6}, "notes": []}
        self.say(worker, "succeeded", **told, frames_sha256="00")

    def lose(self, worker: str = "w0", reason: str = "it was ended by SIGKILL") -> None:
        """A worker goes away."""
        self._tell(Told(kind="lost", worker=worker, reason=reason))

    def cancel(self, worker: str, task: Task) -> None:
        """Remember that, and stop at once if ``by_itself``."""
        self.cancelled.append(task)
        if self.by_itself:
            self.say(worker, "cancelled")

    def kill(self, worker: str) -> None:
        """Remember that, and lose the worker."""
        self.killed.append(worker)
        self.lose(worker)

    def close(self) -> None:
        """Nothing is to be ended."""


@attrs.frozen(kw_only=True)
class Running:
    """A service that answers.

    Attributes:
        client: of the first token, if there are tokens.
    """

    url: str
    app: FastAPI
    made_by: Engine
    client: Client
    clients: ExitStack

    def user(self, name: str, token: str | None = None) -> Client:
        """A client of another user; it is closed with the service."""
        return self.clients.enter_context(Client(self.url, user=name, token=token))

    @property
    def engine(self) -> ScriptedEngine:
        """Where jobs are made, if a test says how."""
        assert isinstance(self.made_by, ScriptedEngine)
        return self.made_by

    @property
    def service(self) -> Service:
        """What is behind its routes."""
        service: Service = self.app.state.service
        return service


@contextmanager
def running(folder: Path, engine: Engine | None = None, **settings: Any) -> Iterator[Running]:
    """A service on a free port of the loopback, in a thread.

    Args:
        engine: where jobs are made; one whose jobs succeed at once unless given.
        settings: of :class:`kinema_apps.service.Settings`.
    """
    told = {"port": 0, "drain_seconds": 0.1, **settings}
    engine = engine if engine is not None else ScriptedEngine()
    made = Settings(folder=folder, **told)
    app = application(made, engine=engine)
    listener = listen(made)
    server = uvicorn.Server(configured(app, made))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("The server ended before it began; its log says why.")
        time.sleep(0.005)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    token = next(iter(made.tokens.values()), None)
    try:
        with ExitStack() as clients:
            client = clients.enter_context(Client(url, token=token))
            yield Running(url=url, app=app, made_by=engine, client=client, clients=clients)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
