"""Who may use a session now: one caller at a time, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kinema.errors import Cancelled, InputError

#: How often a waiting caller asks whether it is cancelled, in seconds.
PATIENCE = 0.1


class Turns:
    """A queue of threads, of which the first has its turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[int] = deque()

    @contextmanager
    def taken(self, cancel: Callable[[], bool] | None = None) -> Iterator[None]:
        """Wait for this thread's turn, and have it while the body runs.

        Raises:
            Cancelled: ``cancel`` said so while waiting.
            InputError: the thread has its turn already, such as in a callback of its own run.
        """
        me = threading.get_ident()
        with self._changed:
            if me in self._queue:
                raise InputError(
                    "A session was called from within its own run, which would wait for itself. "
                    "Make the next video after this one, or open a second session."
                )
            self._queue.append(me)
            try:
                while self._queue[0] != me:
                    self._changed.wait(PATIENCE)
                    if self._queue[0] != me and cancel is not None and cancel():
                        raise Cancelled("The run was cancelled while it waited for its turn.")
            except BaseException:
                self._leave(me)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._leave(me)

    def _leave(self, thread: int) -> None:
        self._queue.remove(thread)
        self._changed.notify_all()
