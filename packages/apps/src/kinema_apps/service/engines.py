"""Where jobs are made: what every engine can do, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import attrs

from kinema.errors import InputError
from kinema_apps.service.settings import Settings
from kinema_apps.service.tasks import Said, Task


@attrs.frozen(kw_only=True)
class Told:
    """Something that happened to a worker.

    Attributes:
        kind: it said something, or it went away.
        worker: which.
        said: what it said.
        reason: why it went away, in words.
    """

    kind: Literal["said", "lost"]
    worker: str
    said: Said | None = None
    reason: str = ""


Tell = Callable[[Told], None]


class Engine(Protocol):
    """Some workers, each of which makes one video at a time.

    A worker says ``ready`` once it can take its first task. One that goes away is replaced, under
    another name.
    """

    @property
    def slots(self) -> int:
        """How many workers there are when all is well."""

    def start(self, tell: Tell) -> None:
        """Begin; ``tell`` is called from any thread."""

    def give(self, worker: str, task: Task) -> None:
        """Let a worker that has nothing to do make a video."""

    def cancel(self, worker: str, task: Task) -> None:
        """Let it stop between two steps."""

    def kill(self, worker: str) -> None:
        """End it at once; it is lost."""

    def close(self) -> None:
        """End all workers."""


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings name.

    Raises:
        ExtraError: it needs an extra that is not installed.
        InputError: there is no such engine.
    """
    if settings.engine == "local":
        from kinema_apps.service.local_engine import LocalEngine

        return LocalEngine(settings.sessions, settings.step_pictures)
    if settings.engine == "ray":
        from kinema_apps.service.ray_engine import RayEngine

        return RayEngine(settings.workers, settings.sessions, settings.step_pictures)
    raise InputError(f"Unknown engine {settings.engine!r}. Choose one of: local, ray.")
