"""The parts of a session: built by name, called with care, and recorded for the manifest."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import torch

from kinema.errors import KinemaError, PluginError
from kinema.files import sha256_of_file
from kinema.found import Found
from kinema.offers import Kind, Offer
from kinema.plugins import Plugins

_T = TypeVar("_T")


@attrs.frozen(eq=False)
class Part(Generic[_T]):
    """Something built from an offer, and the offer."""

    found: Found[Offer]
    built: _T

    @property
    def name(self) -> str:
        """Of the offer."""
        return self.found.offer.name

    @contextmanager
    def calling(self, work: str) -> Iterator[_T]:
        """Call what was built; an error that is none of kinema's own is its plugin's fault.

        Raises:
            PluginError: it raised something else than a KinemaError; the cause is kept.
        """
        try:
            yield self.built
        except (KinemaError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise PluginError(
                f"The {self.found.kind} {self.name!r} of {self.found.source} failed in {work}: "
                f"{type(error).__name__}: {error}. Please report it to the authors of "
                f"{self.found.source.distribution}."
            ) from error


class Parts:
    """Builds offers and remembers what was used.

    Attributes:
        licences: of the weights used.
    """

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.licences: list[str] = []
        self._made: list[tuple[str, Part[Any], dict[str, Any]]] = []
        self._read: list[Path] = []

    def build(
        self,
        kind: Kind[Offer, _T],
        name: str,
        options: Mapping[str, Any] | None = None,
        role: str = "",
    ) -> Part[_T]:
        """Build an offer and record it under ``role`` (its kind unless given).

        Raises:
            InputError: the name or an option is unknown.
            PluginError: its plugin broke.
        """
        found = self.plugins.find(kind, name)
        config = self.plugins.configure(kind, name, options or {})
        part = Part(found, self.plugins.build(kind, name, config))
        files = _files_of(part, config)
        self.read(*files)
        # Written down now: the current folder may be another one when the record is asked for.
        self._made.append((role or kind.name, part, _plain(config, files)))
        self.licences.extend(f"{file.path}: {file.licence}" for file in found.offer.weights)
        return part

    def options_of(self, kind: Kind[Offer, Any], name: str) -> set[str]:
        """Names of the options of an offer.

        Raises:
            InputError: the name is unknown.
        """
        return {field.name for field in attrs.fields(self.plugins.find(kind, name).offer.config)}

    def read(self, *paths: Path) -> None:
        """Record files that were read."""
        self._read.extend(path.absolute() for path in paths)

    @property
    def used(self) -> dict[str, list[dict[str, Any]]]:
        """For each role, the offers built in it: name, distribution, version, config.

        Options that name a file or folder that was read are absolute.
        """
        used: dict[str, list[dict[str, Any]]] = {}
        for role, part, plain in self._made:
            used.setdefault(role, []).append(
                {
                    "name": part.name,
                    "distribution": part.found.source.distribution,
                    "version": part.found.source.version,
                    "config": copy.deepcopy(plain),
                }
            )
        return used

    @property
    def files(self) -> dict[str, str]:
        """sha256 of the files read, by absolute path."""
        return {str(path): sha256_of_read(path) for path in sorted(set(self._read))}


def _files_of(part: Part[Any], config: Any) -> list[Path]:
    """What an offer says that it reads, looked at before any work is done."""
    with part.calling("files()"):
        files = [Path(path).absolute() for path in part.found.offer.files(config)]
    for path in files:
        if not path.is_file():
            raise PluginError(
                f"The {part.found.kind} {part.name!r} of {part.found.source} says that it reads "
                f"{str(path)!r}, which is no file. Please report it to the authors of "
                f"{part.found.source.distribution}."
            )
    return files


def is_path(choice: str) -> bool:
    """Whether a choice of depth means a file, and not an estimator's name."""
    return bool(Path(choice).suffix) or os.sep in choice


def sha256_of_read(path: Path) -> str:
    """The digest of a file that was read; gigabytes of weights are read once a process."""
    known = path.stat()
    return _digest(path, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, changed: int) -> str:
    return sha256_of_file(path)


def _plain(config: Any, files: Iterable[Path]) -> dict[str, Any]:
    read = {str(place) for path in files for place in (path, *path.parents)}
    return {key: _placed(value, read) for key, value in attrs.asdict(config).items()}


def _placed(value: Any, read: set[str]) -> Any:
    """The value as plain data, absolute if it is the place of a file that was read."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, str) and value:
        whole = str(Path(value).absolute())
        return whole if whole in read and os.path.lexists(whole) else value
    if isinstance(value, Mapping):
        return {_placed(key, read): _placed(inner, read) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placed(inner, read) for inner in value]
    return value
