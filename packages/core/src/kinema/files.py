"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinema.errors import InputError


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
