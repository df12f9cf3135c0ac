"""The parts of a session: built by name, and recorded for the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import InputError
from kinema.files import sha256_of_file
from kinema.plugins import Plugins


class Parts:
    """Builds offers and remembers what was used.

    Attributes:
        used: for each role, the offers built in it: name, distribution, version, config.
        files: sha256 of the files read, by path.
        licences: of the weights used.
    """

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.used: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, str] = {}
        self.licences: list[str] = []

    def build(self, kind: str, name: str, options: Mapping[str, Any], role: str = "") -> Any:
        """Build an offer and record it under ``role`` (its kind unless given).

        Raises:
            InputError: the name or an option is unknown.
            PluginError: its plugin broke.
        """
        found = self.plugins.find(kind, name)
        config = self.plugins.configure(kind, name, options)
        built = self.plugins.build(kind, name, config)
        self.used.setdefault(role or kind, []).append(
            {
                "name": name,
                "distribution": found.source.distribution,
                "version": found.source.version,
                "config": _plain(config),
            }
        )
        self.licences.extend(f"{file.path}: {file.licence}" for file in found.offer.weights)
        weights: Any = getattr(config, "weights", None)
        if kind == "backbone" and weights:
            self.read(*_weight_files(Path(weights)))
        return built

    def options_of(self, kind: str, name: str) -> set[str]:
        """Names of the options of an offer.

        Raises:
            InputError: the name is unknown.
        """
        return {field.name for field in attrs.fields(self.plugins.find(kind, name).offer.config)}

    def check_depth(self, choice: str | None) -> None:
        """Refuse a wrong choice of depth early, even if no camera path will ask for it.

        Raises:
            InputError: it is neither a depth estimator nor an existing file.
        """
        if choice is not None and not is_path(choice):
            self.plugins.find("depth estimator", choice)
        elif choice is not None and not Path(choice).is_file():
            raise InputError(f"The depth file {choice!r} does not exist.")

    def read(self, *paths: Path) -> None:
        """Record files that were read."""
        for path in paths:
            known = path.stat()
            self.files[str(path)] = _digest(path, known.st_size, known.st_mtime_ns)


def is_path(choice: str) -> bool:
    """Whether a choice of depth means a file, and not an estimator's name."""
    return bool(Path(choice).suffix) or os.sep in choice


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, changed: int) -> str:
    """The digest of a file of that size and time: gigabytes of weights are read once a process."""
    return sha256_of_file(path)


def _weight_files(weights: Path) -> list[Path]:
    """What a backbone reads: a file itself, or all files of a folder."""
    if weights.is_dir():
        return sorted(path for path in weights.rglob("*") if path.is_file())
    return [weights] if weights.is_file() else []


def _plain(config: Any) -> dict[str, Any]:
    values = attrs.asdict(config).items()
    return {key: str(value) if isinstance(value, Path) else value for key, value in values}
