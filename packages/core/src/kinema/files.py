"""Files: written so that no reader sees half of one, claimed by one process, and read as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kinema.errors import InputError, MotionError, WeightsError
from kinema.extras import require

#: The file by which a process claims a folder.
LOCK = ".kinema.lock"


def write_atomically(target: Path, write: Callable[[Path], Any]) -> Path:
    """Let ``write`` fill a temporary file or folder beside ``target``, then rename it there.

    If ``write`` fails, nothing is left behind and an earlier ``target`` stays as it was.

    Raises:
        InputError: the folder of ``target`` does not exist or cannot be written.
    """
    folder = target.resolve().parent
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=folder))
    except OSError as error:
        # The error itself names the temporary folder, which nobody asked for.
        reason = error.strerror or str(error)
        raise InputError(
            f"Cannot write {str(target)!r}: {reason}, in the folder {str(folder)!r}."
        ) from None
    try:
        part = scratch / target.name
        write(part)
        if part.is_dir() and target.is_dir():
            shutil.rmtree(target)
        os.replace(part, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


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
        with path.open("rb") as file:
            head = file.read(64).lstrip().lower()
    except OSError:
        return ""
    return next((what for magic, what in _STAND_INS if head.startswith(magic)), "")


def check_weights(*files: Path) -> None:
    """Refuse files that stand for weights and are none.

    Raises:
        WeightsError: one is a pointer of git-lfs, or a page that a server sent instead.
    """
    for file in files:
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
