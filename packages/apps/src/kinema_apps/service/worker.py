"""The process that makes videos: tasks come on stdin, what it says goes to stdout.

Both are lines of JSON; nothing is pickled. The process ends with the one that started it.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
from typing import Any, TextIO

from kinema_apps.service.logs import log_as_json
from kinema_apps.service.rendering import OutOfMemory, Renderer
from kinema_apps.service.tasks import SHORT_OF_MEMORY, Said, Task, line

LOG = logging.getLogger("kinema.service.worker")


class Orders:
    """What comes on stdin: tasks are queued, and a cancellation is remembered at once."""

    def __init__(self) -> None:
        self.tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[tuple[str, int]] = set()

    def listen(self) -> None:
        """Read until the server closes the pipe or dies, and then end this process."""
        for text in sys.stdin:
            order = json.loads(text)
            if order["do"] == "cancel":
                self._cancelled.add((order["job"], order["tried"]))
            else:
                self.tasks.put(order)
        os._exit(0)  # the task at work has nobody left to tell

    def is_cancelled(self, task: Task) -> bool:
        """Whether the server no longer wants it."""
        return (task.job, task.tried) in self._cancelled


def main() -> None:
    """Work until stdin ends."""
    # Ctrl-C in a terminal goes to all its processes; the server says when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_as_json()
    answers = _answers()

    def say(said: Said) -> None:
        answers.write(line(said))
        answers.flush()

    orders = Orders()
    threading.Thread(target=orders.listen, daemon=True).start()
    first = orders.tasks.get()
    renderer = Renderer(first["sessions"], first["pictures"])
    say(Said(kind="ready"))
    while True:
        order = orders.tasks.get()
        say(_done(renderer, Task(**order["task"]), orders, say))


def _done(renderer: Renderer, task: Task, orders: Orders, say: Any) -> Said:
    try:
        return renderer.render(task, say, lambda: orders.is_cancelled(task))
    except OutOfMemory as error:
        LOG.error("out of memory", extra={"job": task.job})
        data = {"code": "memory", "message": f"{error} Ask for a smaller size or fewer frames."}
        say(Said(kind="failed", job=task.job, tried=task.tried, data=data))
        # A new process has all memory; what this one still holds, nobody knows.
        os._exit(SHORT_OF_MEMORY)
    except Exception:
        LOG.exception("a task failed unexpectedly", extra={"job": task.job})
        message = "The worker failed unexpectedly. The server's log says more."
        data = {"code": "internal", "message": message}
        return Said(kind="failed", job=task.job, tried=task.tried, data=data)


def _answers() -> TextIO:
    """The pipe to the server; what libraries print goes to stderr from now on."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


if __name__ == "__main__":
    main()
