"""Outputs: checked before the work, written whole or not at all, synced, and swept if it died.

Whatever is written first lies in a folder of its own beside the target, ``.NAME.XXXXXXXX.kinema``,
which its process holds by a lock of the operating system. A lock that is free tells of a process
that died: the next one that writes into the folder removes what it left, or, where several files
were to appear together and all of them were there already, finishes its work.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kinema.errors import InputError

#: How the folder of what is being written ends, and what lies in it.
SCRATCH = ".kinema"
_NEW, _OLD, _LIST, _READY = "new", "old", "list", "ready"

_Path = (str, os.PathLike)

#: The longest name of a file on the systems that are in use, in bytes.
_LONGEST_NAME = 255


def check_target(target: str | os.PathLike[str]) -> Path:
    """Where a file or folder of that name would really lie, links followed.

    Raises:
        InputError: it cannot be written there: no folder, a read-only one, a name too long, a
            device, a link that leads back to itself.
    """
    name = os.fspath(target)
    refusal = f"Cannot write {name!r}:"
    if not Path(name).name or "\0" in name:
        raise InputError(f"{refusal} it is no name of a file.")
    real = Path(os.path.realpath(name))
    folder = f"in the folder {str(real.parent)!r}"
    try:
        with suppress(FileNotFoundError):
            mode = real.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise InputError(f"{refusal} the link leads back to itself.")
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError(f"{refusal} it is {kind_of(mode)}; name an ordinary file.")
        if not real.parent.exists():
            raise InputError(f"{refusal} the folder {str(real.parent)!r} does not exist.")
        if not real.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if len(os.fsencode(real.name)) > _LONGEST_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{refusal} {reason}, {folder}.") from None
    if not os.access(real.parent, os.W_OK | os.X_OK):
        raise InputError(f"{refusal} the folder {str(real.parent)!r} is read-only.")
    return real


def check_file(target: str | os.PathLike[str], inputs: Iterable[Any] = ()) -> Path:
    """As :func:`check_target`, and no folder has that name, nor is it one of ``inputs``.

    Raises:
        InputError: it cannot be written there, or it would destroy an input.
    """
    real = check_target(target)
    if real.is_dir():
        raise InputError(f"Cannot write {os.fspath(target)!r}: a folder has that name.")
    refuse_inputs(target, inputs)
    return real


def refuse_inputs(target: str | os.PathLike[str], inputs: Iterable[Any]) -> None:
    """Refuse an output that is one of the inputs, by whatever name, or a folder that holds one.

    Args:
        inputs: paths; what is no path, is empty or does not exist is passed over.

    Raises:
        InputError: writing would destroy an input.
    """
    for given in inputs:
        if isinstance(given, _Path) and _destroys(target, os.fspath(given)):
            raise InputError(
                f"The output {os.fspath(target)!r} is the input {os.fspath(given)!r}, which it "
                "would destroy; choose another name."
            )


def check_folder(target: str | os.PathLike[str], inputs: Iterable[Any] = ()) -> None:
    """Refuse a folder of results that is an input, or lies inside a folder that is one.

    There, what is written could take the place of what is read, or be read at the next run.

    Args:
        inputs: paths; what is no path, is empty or does not exist is passed over.

    Raises:
        InputError: it is one, or lies in one, or is a file.
    """
    output = Path(os.path.realpath(target))
    for given in inputs:
        relation = _relation(output, os.fspath(given)) if isinstance(given, _Path) else ""
        if relation:
            raise InputError(
                f"The output {os.fspath(target)!r} {relation} the input {os.fspath(given)!r}; "
                "choose a folder of its own."
            )
    if output.exists() and not output.is_dir():
        raise InputError(f"Cannot write the folder {os.fspath(target)!r}: it is a file.")


def _relation(output: Path, given: str) -> str:
    source = Path(os.path.realpath(given))
    try:
        if not given or not source.exists():
            return ""
        if output == source or (output.exists() and output.samefile(source)):
            return "is"
        return "lies in" if source.is_dir() and source in output.parents else ""
    except (OSError, ValueError):  # a name that is none
        return ""


def _destroys(target: str | os.PathLike[str], given: str) -> bool:
    output, source = Path(os.path.realpath(target)), Path(os.path.realpath(given))
    try:
        if not given or not source.exists():
            return False
        same = output == source or (output.exists() and output.samefile(source))
        return same or (output.is_dir() and output in source.parents)
    except (OSError, ValueError):  # a name that is none
        return False


def kind_of(mode: int) -> str:
    """What a file of that mode is, in words."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "no ordinary file")


# -- writing ---------------------------------------------------------------------------------------


def write_atomically(target: Path, write: Callable[[Path], Any]) -> Path:
    """Let ``write`` fill a temporary file or folder beside ``target``, then rename it there.

    If ``write`` fails, nothing is left behind and an earlier ``target`` stays as it was; so it does
    if the process is killed, or the power fails. A link is followed, and stays a link.

    Raises:
        InputError: the folder of ``target`` does not exist or cannot be written.
    """
    real = check_target(target)
    with replacing(real.parent, real.name) as new:
        write(new / real.name)
    return target


@contextmanager
def replacing(folder: Path, name: str) -> Iterator[Path]:
    """A folder for files that appear in ``folder`` together, if the body succeeds.

    They replace what has their names. A process that is killed leaves all as it was, or all of them
    to be put in place by whoever writes there next (or calls :func:`sweep`).

    Args:
        folder: exists.
        name: what is being written, for the name of the temporary folder.

    Raises:
        InputError: nothing can be written in ``folder``.
    """
    sweep(folder)
    scratch, lock = _scratch(folder, name)
    ready = False
    try:
        new = scratch / _NEW
        new.mkdir()
        yield new
        sync(new)
        entries = {entry.name: entry.stat().st_ino for entry in new.iterdir()}
        if len(entries) > 1 or any(entry.is_dir() for entry in new.iterdir()):
            # From here on a killed process has done its work, and the next one ends it.
            (scratch / _LIST).write_text(json.dumps(entries), encoding="utf-8")
            sync(scratch / _LIST)
            os.replace(scratch / _LIST, scratch / _READY)
            ready = True
        sync_folder(scratch)
        _put(scratch, folder, entries)
        sync_folder(folder)
        ready = False
    finally:
        if not ready:
            _remove(scratch)
        if lock is not None:
            os.close(lock)


def _put(scratch: Path, folder: Path, entries: Mapping[str, int], since: int = sys.maxsize) -> None:
    """Rename ``entries`` to where they belong, but for what was changed there after ``since``.

    Args:
        entries: names, with the inodes that tell what is still to be put from what it replaced.
        since: nanoseconds.
    """
    for name, inode in sorted(entries.items()):
        entry, target = scratch / _NEW / name, folder / name
        if not entry.exists() or entry.stat().st_ino != inode:
            continue
        if target.exists() and target.stat().st_mtime_ns > since:
            continue
        if target.is_dir() and not _exchange(entry, target):
            (scratch / _OLD).mkdir(exist_ok=True)
            os.replace(target, scratch / _OLD / name)
        if entry.stat().st_ino == inode:
            os.replace(entry, target)


def _remove(scratch: Path) -> None:
    # First what says that the rest is ready: half of it must never count as that.
    with suppress(OSError):
        (scratch / _READY).unlink(missing_ok=True)
    shutil.rmtree(scratch, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what processes that died left in ``folder``, or put in place what was ready."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.name.startswith(".") and entry.name.endswith(SCRATCH):
                _sweep_one(Path(entry.path), folder)


def _sweep_one(scratch: Path, folder: Path) -> None:
    lock = _hold(scratch)
    if lock is None:
        return
    try:
        ready = scratch / _READY
        with suppress(FileNotFoundError, ValueError):
            entries = json.loads(ready.read_text(encoding="utf-8"))
            _put(scratch, folder, entries, ready.stat().st_mtime_ns)
        _remove(scratch)
    finally:
        os.close(lock)


def _scratch(folder: Path, name: str) -> tuple[Path, int | None]:
    """A new temporary folder, and what holds it; None where the system has no such locks."""
    short = os.fsdecode(os.fsencode(name)[:100])
    while True:
        try:
            made = Path(tempfile.mkdtemp(prefix=f".{short}.", suffix=SCRATCH, dir=folder))
        except OSError as error:
            # The error itself names the temporary folder, which nobody asked for.
            reason = error.strerror or str(error)
            raise InputError(
                f"Cannot write {str(folder / name)!r}: {reason}, in the folder {str(folder)!r}."
            ) from None
        lock = _hold(made)
        if made.exists():  # another process may have swept it before it was held
            return made, lock
        if lock is not None:
            os.close(lock)


def _hold(scratch: Path) -> int | None:
    """Lock a temporary folder until its process ends; None if another process has."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        opened = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


@functools.cache
def _renameat2() -> Any:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places at once; False where the system cannot."""
    call, here, exchange = _renameat2(), -100, 2
    if call is None:
        return False
    return bool(call(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


# -- to the disk -----------------------------------------------------------------------------------


def sync(path: Path) -> None:
    """Let a file, or a folder with all that is in it, reach the disk."""
    if not path.is_dir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        return
    for entry in path.iterdir():
        if not entry.is_symlink():
            sync(entry)
    sync_folder(path)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk, where the system can say so."""
    if sys.platform == "win32":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(opened)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that no killed process leaves half of it under its name."""
    going = folder.with_name(f".{folder.name}{SCRATCH}")
    shutil.rmtree(going, ignore_errors=True)
    os.replace(folder, going)
    shutil.rmtree(going, ignore_errors=True)


def sha256_of_output(target: Path, names: Iterable[str] | None = None) -> str:
    """Hex digest of a file, or of the names and contents of a folder's files.

    Args:
        names: the files of the folder that count; all unless given.
    """
    if not target.is_dir():
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for name in sorted(os.listdir(target) if names is None else names):
        digest.update(f"{sha256_of_output(target / name)} {name!r}\n".encode())
    return digest.hexdigest()
