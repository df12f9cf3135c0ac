"""What a foreign form is: how it is recognised, read and written, and what it cannot hold."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import MotionError
from kinema.files import MOST_BYTES, check_ordinary, parse_json, read_bytes
from kinema.formats.reading import load_array
from kinema.motion.canvas import Size
from kinema.motion.motion import Motion

#: What a reader returns: the data of :meth:`kinema.Motion.to_dict`, not yet checked.
Document = dict[str, Any]

DEFAULT_FPS = 8.0
DEFAULT_FRAMES = 16


@attrs.frozen(kw_only=True)
class Asked:
    """What the caller of a reader says beside the file.

    Attributes:
        canvas: (width, height) the coordinates refer to, for forms that do not say it.
        frames: playback frame count; None means the file's own.
        fps: playback rate; None means the file's own.
        part: which part of a file that holds several (``"cam02"`` in ``recammaster:cam02``).
    """

    canvas: Size | None = None
    frames: int | None = None
    fps: float | None = None
    part: str = ""


@attrs.frozen(kw_only=True)
class Form:
    """One form that motions are stored in.

    Attributes:
        name: what ``format=`` and ``--to`` take.
        summary: one line.
        files: what its files are called.
        loses: what a Motion loses in it, and how exact a round trip is.
        holds: the parts of a Motion it can hold.
        detect: whether a path looks like this form.
        read: a path to a document.
        samples: the frame count that its files always have; 0 for any.
        write: a Motion at a path, sampled at a frame count; None where the form is only read.
    """

    name: str
    summary: str
    files: str
    loses: str
    holds: frozenset[str]
    detect: Callable[[Peek], bool]
    read: Callable[[Path, Asked], Document]
    samples: int = 0
    write: Callable[[Motion, Path, int | None], None] | None = None


class Peek:
    """A cheap look at a path, for detection; whatever cannot be read is simply absent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.suffix = path.suffix.lower()

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """File names inside, if the path is a folder."""
        try:
            return frozenset(entry.name for entry in self.path.iterdir())
        except OSError:
            return frozenset()

    @functools.cached_property
    def json(self) -> Any:
        """The parsed JSON of a ``.json`` file, else None."""
        if self.suffix != ".json":
            return None
        try:
            return parse_json(read_bytes(self.path, MOST_BYTES))
        except (OSError, MotionError):
            return None

    @functools.cached_property
    def lines(self) -> list[str]:
        """The first lines of a ``.txt`` file that are not empty, at most three."""
        if self.suffix != ".txt":
            return []
        try:
            check_ordinary(self.path)
            with self.path.open("rb") as stream:
                text = stream.read(4096).decode("utf-8", "replace")
        except OSError:
            return []
        return [line.strip() for line in text.splitlines() if line.strip()][:3]

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of a ``.npy`` file's array, else ()."""
        if self.suffix != ".npy":
            return ()

        try:
            return tuple(load_array(self.path, "array").shape)
        except MotionError:
            return ()


def need_canvas(asked: Asked, form: str, why: str) -> Size:
    """The canvas the caller gave.

    Raises:
        MotionError: none was given.
    """
    if asked.canvas is None:
        raise MotionError(
            f"The form {form} does not say its canvas: {why} Give canvas=(width, height) of the "
            "picture it was made for (on the command line --size WxH)."
        )
    return asked.canvas


def timing(asked: Asked, rows: int | None, fps: float = DEFAULT_FPS) -> Document:
    """The ``fps`` and ``duration`` entries of a document.

    ``rows`` is the frame count of the file, None where it holds key points only; the caller's
    frames and fps win over the file's.
    """
    rate = asked.fps if asked.fps is not None else fps
    frames = asked.frames or rows or DEFAULT_FRAMES
    return {"fps": float(rate), "duration": frames / rate if rate > 0 else float(frames)}


def counted(count: int, name: str) -> str:
    """``'1 drag'`` or ``'2 drags'``."""
    return f"{count} {name}{'' if count == 1 else 's'}"


def listed(items: Iterable[object], most: int = 6) -> str:
    """``'3, 7 and 9'``, cut after ``most`` items."""
    texts = [str(item) for item in items]
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
