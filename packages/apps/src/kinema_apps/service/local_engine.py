"""One worker process on this machine."""

from __future__ import annotations

import itertools
import json
import logging
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import attrs

from kinema_apps.service.engines import Tell, Told
from kinema_apps.service.tasks import SHORT_OF_MEMORY, Said, Task, line

LOG = logging.getLogger("kinema.service")

#: Seconds before a worker that went away is replaced: the first time, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0

#: Seconds that a worker has to end by itself.
PATIENCE = 5.0


class LocalEngine:
    """Keeps one worker alive; see :class:`kinema_apps.service.engines.Engine`.

    It is its own program (``python -m kinema_apps.service.worker``) and speaks JSON over pipes.
    """

    slots = 1

    def __init__(self, sessions: int = 1, pictures: bool = True) -> None:
        self._first = {"do": "begin", "sessions": sessions, "pictures": pictures}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._name = ""
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Of the worker's process, if there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self, tell: Tell) -> None:
        """Begin the worker, and another one whenever it goes away."""
        self._keeper = threading.Thread(target=self._keep, args=(tell,), daemon=True)
        self._keeper.start()

    def give(self, worker: str, task: Task) -> None:
        """Write the task to its stdin."""
        self._write(worker, line({"do": "render", "task": attrs.asdict(task)}))

    def cancel(self, worker: str, task: Task) -> None:
        """Write so to its stdin."""
        self._write(worker, line({"do": "cancel", "job": task.job, "tried": task.tried}))

    def kill(self, worker: str) -> None:
        """End its process."""
        with self._lock:
            if self._process is not None and worker == self._name:
                self._process.kill()

    def close(self) -> None:
        """Close its stdin, upon which it ends, and wait for that."""
        self._closed.set()
        with self._lock:
            process = self._process
        if process is not None:
            _end(process)
        if self._keeper is not None:
            self._keeper.join()

    def _write(self, worker: str, text: str) -> None:
        with self._lock:
            process = self._process
            if process is None or worker != self._name or process.stdin is None:
                return  # it went away, which is told by the thread that reads
            with suppress(OSError):
                process.stdin.write(text)
                process.stdin.flush()

    def _keep(self, tell: Tell) -> None:
        pause = FIRST_PAUSE
        while not self._closed.is_set():
            name = f"local-{next(self._numbers)}"
            ready = self._live(name, tell)
            pause = FIRST_PAUSE if ready else min(2 * pause, LONGEST_PAUSE)
            self._closed.wait(pause)

    def _live(self, name: str, tell: Tell) -> bool:
        """The life of one worker; whether it was ever ready."""
        # -P: a module in the current folder is not taken for one of Python's.
        command = [sys.executable, "-P", "-m", "kinema_apps.service.worker"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        with self._lock:
            self._process, self._name = process, name
        if self._closed.is_set():
            _end(process)
        self._write(name, line(self._first))
        LOG.info("worker started", extra={"worker": name, "pid": process.pid})
        ready = False
        assert process.stdout is not None
        for text in process.stdout:
            with suppress(ValueError, TypeError):  # half a line of a worker that was killed
                said = Said(**json.loads(text))
                ready = ready or said.kind == "ready"
                tell(Told(kind="said", worker=name, said=said))
        code = process.wait()
        process.stdout.close()
        with self._lock, suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        if not self._closed.is_set():
            LOG.warning("worker lost", extra={"worker": name, "exit_code": code})
        tell(Told(kind="lost", worker=name, reason=_reason(code)))
        return ready


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(OSError):
        assert process.stdin is not None
        process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _reason(code: int) -> str:
    if code == SHORT_OF_MEMORY:
        return "it ran out of memory"
    if code >= 0:
        return f"it ended with the exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = ", as the system does where memory is short" if name == "SIGKILL" else ""
    return f"it was ended by {name}{hint}"
