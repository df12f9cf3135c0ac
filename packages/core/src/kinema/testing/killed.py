"""What a process leaves behind that is killed: tried before each of its file operations.

::

    for operation in killed_before_each(work, before):
        assert what_is_there() in (old, new)     # and going on from here works
"""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

#: Operations of which Python tells before they happen, beside opening for writing.
_TOLD = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def killed_before_each(
    work: Callable[[], Any], before: Callable[[], Any], most: int = 1000, seed: int = 0
) -> Iterator[int]:
    """Run ``work`` in processes that end at once before one of its file operations each.

    Renames, removals, new folders, files opened for writing and syncs count; what a library does
    without Python goes unseen between them. POSIX only.

    Args:
        work: is forked, so it may use everything of the test.
        before: puts everything as it was, in the test's own process.
        most: operations that are tried; of more, the first, the last, and some drawn by ``seed``.
        seed: of that draw.

    Yields:
        the number of the operation, once the process is dead.

    Raises:
        AssertionError: the work fails by itself, or does nothing.
    """
    before()
    count = _run(work, None)
    assert count > 0, "The work touches no file."
    numbers = list(range(count))
    if count > most:
        inner = random.Random(seed).sample(numbers[1:-1], most - 2)
        numbers = sorted({0, *inner, count - 1})
    for number in numbers:
        before()
        _run(work, number)
        yield number


def _run(work: Callable[[], Any], fatal: int | None) -> int:
    """Operations of the work in a process of its own; it ends before number ``fatal``."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads
        child = os.fork()
    if not child:
        os.close(reading)
        _in_child(work, fatal, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code == (0 if fatal is None else -signal.SIGKILL), f"The work ended with {code}."
    return int(said or b"0")


def _in_child(work: Callable[[], Any], fatal: int | None, writing: int) -> None:
    done = 0

    def operation() -> None:
        nonlocal done
        if done == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    def told(event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if event in _TOLD or (opened and isinstance(arguments[0], str | bytes)):
            operation()

    fsync = os.fsync

    def synced(descriptor: int) -> None:
        operation()
        fsync(descriptor)

    code = 1
    try:
        sys.addaudithook(told)
        os.fsync = synced  # type: ignore[assignment]  # no hook tells of it
        work()
        os.write(writing, str(done).encode())
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)
