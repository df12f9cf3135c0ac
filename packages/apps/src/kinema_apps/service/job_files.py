"""Where the files of jobs lie: uploads, and of each try its own folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from kinema_apps.service.tables import Job


class JobFiles:
    """The folders of a service's jobs.

    ``jobs/ID`` holds what was uploaded, ``jobs/ID/try-N`` what the Nth try made. An upload is
    written to ``incoming/ID`` and renamed, so that a folder of ``jobs`` is always whole.
    """

    def __init__(self, folder: Path) -> None:
        self._jobs = folder / "jobs"
        self._incoming = folder / "incoming"
        self._jobs.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)

    def take_in(self, job: str, uploads: Mapping[str, BinaryIO]) -> int:
        """Write the uploads of a new job, by name; their size in bytes."""
        scratch = self._incoming / job
        scratch.mkdir()
        try:
            for name, content in uploads.items():
                with (scratch / name).open("xb") as file:
                    shutil.copyfileobj(content, file, 2**20)
                    file.flush()
                    os.fsync(file.fileno())
            scratch.rename(self._jobs / job)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return self.size(job)

    def uploaded(self, job: str, name: str) -> Path:
        """One of the uploads."""
        return self._jobs / job / name

    def begin(self, job: str, tried: int) -> Path:
        """The empty folder of a try; those of earlier ones are deleted."""
        for old in (self._jobs / job).glob("try-*"):
            shutil.rmtree(old, ignore_errors=True)
        folder = self.of_try(job, tried)
        folder.mkdir()
        return folder

    def of_try(self, job: str, tried: int) -> Path:
        """The folder of a try."""
        return self._jobs / job / f"try-{tried}"

    def made(self, job: Job, name: str) -> Path | None:
        """A file that the last try of a job made, if it is there."""
        path = self.of_try(job.id, job.tries) / name
        return path if path.is_file() else None

    def size(self, job: str) -> int:
        """Of all files of a job, in bytes."""
        total = 0
        for folder, _, names in os.walk(self._jobs / job):
            for name in names:
                with suppress(OSError):  # a worker that was ended may still be cleaning up
                    total += os.stat(os.path.join(folder, name)).st_size
        return total

    def delete(self, job: str) -> None:
        """Delete all files of a job."""
        shutil.rmtree(self._jobs / job, ignore_errors=True)

    def drop_unknown(self, known: Iterable[str]) -> list[str]:
        """Delete half uploads, and folders of jobs that are not known; the names of those."""
        for half in self._incoming.iterdir():
            shutil.rmtree(half, ignore_errors=True)
        unknown = sorted({path.name for path in self._jobs.iterdir()} - set(known))
        for name in unknown:
            self.delete(name)
        return unknown
