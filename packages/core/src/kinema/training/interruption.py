"""Being asked to stop: by Ctrl-C or by a scheduler's SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import attrs


@attrs.define
class Interruption:
    """Whether the process was asked to stop; empty ``reason`` means no."""

    reason: str = ""


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note the first SIGINT or SIGTERM instead of ending at once; a second one ends at once.

    Outside the main thread, where Python allows no handlers, nothing is noted.
    """
    asked = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: FrameType | None) -> None:
        if asked.reason:
            raise KeyboardInterrupt
        asked.reason = signal.Signals(number).name

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
