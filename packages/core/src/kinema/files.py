"""Files: read if they are ordinary ones and not too large, as JSON, and claimed by one process."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kinema.errors import InputError, MotionError, WeightsError
from kinema.extras import require
from kinema.outputs import kind_of, write_atomically

__all__ = [
    "claimed",
    "parse_json",
    "check_ordinary",
    "read_bytes",
    "read_text",
    "sha256_of",
    "sha256_of_file",
    "write_atomically",
]

#: No text of ours comes near this many bytes; more is a broken or hostile file.
MOST_BYTES = 256 * 2**20

#: The file by which a process claims a folder.
LOCK = ".kinema.lock"


def check_ordinary(path: str | os.PathLike[str], most: int | None = None) -> int:
    """The size of a file in bytes; opening a pipe or a device could wait for ever.

    Args:
        most: bytes that it may have.

    Raises:
        OSError: it is absent, no ordinary file, or too large; ``strerror`` says which.
    """
    try:
        found = os.stat(path)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error)) from None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"it is {kind_of(found.st_mode)} and no ordinary file")
    if most is not None and found.st_size > most:
        raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, more than {most}")
    return found.st_size


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """The content of an ordinary file of at most ``most`` bytes.

    Raises:
        OSError: as :func:`check_ordinary`, or it cannot be read.
    """
    check_ordinary(path, most)
    with open(path, "rb") as file:
        return file.read(most)


def read_text(path: str | os.PathLike[str], most: int = MOST_BYTES) -> str:
    """The text of a UTF-8 file, as :func:`read_bytes`.

    Raises:
        OSError: as :func:`read_bytes`.
        UnicodeDecodeError: it is no UTF-8.
    """
    return read_bytes(path, most).decode("utf-8-sig")


@contextmanager
def claimed(folder: Path, work: str) -> Iterator[None]:
    """Make a folder and keep every other process out of the same work in it.

    The operating system lifts the claim when the process ends, however it ends. A folder that was
    made here and in which nothing came to be is removed again.

    Args:
        folder: is made if it is absent.
        work: what is done in it, for the error of who comes second.

    Raises:
        InputError: another process is at work there, or the folder cannot be made.
        ExtraError: filelock is not installed.
    """
    require("filelock", "kinema[training]", "Claiming a folder")
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"Another {work} is at work in the folder {str(folder)!r}. Wait until it has ended, or "
            "choose another folder."
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"The folder {str(folder)!r} cannot be written to: {reason}.") from None
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            (folder / LOCK).unlink()
            if new:
                folder.rmdir()
        lock.release()


def sha256_of(data: bytes | memoryview) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


#: How files begin that stand for another one, and what they are.
_STAND_INS = (
    (b"version https://git-lfs", "a pointer of git-lfs; fetch the file itself with `git lfs pull`"),
    (b"<!doctype", "a web page; download the file itself"),
    (b"<html", "a web page; download the file itself"),
    (b"<?xml", "an XML answer of a server; download the file itself"),
)


def stand_in(path: Path) -> str:
    """What a file is that only stands for the one that was meant, in words; empty if it does not.

    Downloads leave such files behind: a pointer of git-lfs, or a page that says why not.
    """
    try:
        check_ordinary(path)
        with path.open("rb") as file:
            head = file.read(64).lstrip().lower()
    except OSError:
        return ""
    return next((what for magic, what in _STAND_INS if head.startswith(magic)), "")


def check_weights(*files: Path) -> None:
    """Refuse files that stand for weights and are none.

    Raises:
        WeightsError: one is a pointer of git-lfs, or a page that a server sent instead, or no
            ordinary file, which could be waited for for ever. One that is absent is passed over.
    """
    for file in files:
        try:
            check_ordinary(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise WeightsError(
                f"The weights {str(file)!r} cannot be read: {error.strerror}."
            ) from None
        what = stand_in(file)
        if what:
            raise WeightsError(f"The weights {str(file)!r} are {what}.")


def torch_reason(error: Exception) -> str:
    """Why torch does not load a file, without its advice to load it unsafely."""
    text = str(error).partition("\n")[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "weights_only" in str(error) or "Weights only" in text:
        return "it holds something else than tensors and plain data"
    return text[:200].rstrip(".") or type(error).__name__


def parse_json(
    text: str | bytes,
    what: str = "The motion file",
    error: type[InputError] = MotionError,
    nan: bool = False,
) -> Any:
    """The data of JSON text, not yet checked.

    Args:
        text: JSON; NaN and Infinity are not, although Python writes them.
        what: how the error calls it, at the start of a sentence.
        error: the kind of error.
        nan: take NaN and Infinity nevertheless, for forms whose writers put them there.

    Raises:
        InputError: it is not JSON, or nested beyond reason.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"it holds {name}, which is no number of JSON")

    try:
        return json.loads(text, parse_constant=float if nan else refuse)
    except RecursionError:
        raise error(f"{what} is not JSON: it is nested too deeply.") from None
    except ValueError as reason:
        raise error(f"{what} is not JSON: {reason}.") from None
