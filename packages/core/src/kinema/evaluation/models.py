"""What is evaluated: a backbone, the photo held still, a function, or videos of other tools."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import attrs
import numpy as np

from kinema.errors import InputError
from kinema.files import parse_json, read_text, sha256_of_file
from kinema.interfaces import BenchmarkItem, Case
from kinema.media.video import Video
from kinema.offers import BACKBONE
from kinema.plugins import Plugins

#: Makes (or finds) the video of an item and a seed.
Make = Callable[[BenchmarkItem, Case, int], Video]

#: The manifest that a folder of foreign videos may hold, and its form.
MANIFEST = "videos.json"
MANIFEST_FORMAT = "kinema.videos/1"

#: Options of a session, and of its parts, that may name a file or a folder.
FILES = ("weights", "controller", "depth", "path", "folder")

#: Endings of a foreign video beside a folder of frames, in the order in which they are looked for.
SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v", ".gif", ".webp")


@runtime_checkable
class Model(Protocol):
    """Something that makes videos. All but functions are plain data and can be sent to workers."""

    @property
    def name(self) -> str:
        """In tables and folders; a plain attribute will do."""

    @property
    def kind(self) -> str:
        """``backbone``, ``videos``, ``still``, ``real`` or ``function``."""

    def what(self, plugins: Plugins) -> Mapping[str, Any]:
        """Plain data that tells it from others.

        Raises InputError if it cannot be used, before any video is made.
        """

    def opened(self, plugins: Plugins) -> Any:
        """A context manager that gives a :data:`Make`."""


@attrs.frozen(kw_only=True)
class BackboneModel:
    """A backbone of a session.

    Attributes:
        backbone: its name.
        name: in tables; the backbone's unless given.
        session: what :class:`kinema.Session` takes beside it, plain data. The controller ``""``
            leaves the backbone unsteered.
    """

    kind: ClassVar[str] = "backbone"

    backbone: str
    name: str = attrs.field(default=attrs.Factory(lambda self: self.backbone, takes_self=True))
    session: Mapping[str, Any] = attrs.field(factory=dict)

    def what(self, plugins: Plugins) -> Mapping[str, Any]:
        """Backbone, options, versions, and the hashes of the files that options name."""
        found = plugins.find(BACKBONE, self.backbone)
        options = json.loads(json.dumps(dict(self.session), default=str))
        # Where a file lies or a video is computed does not change it.
        options.pop("device", None)
        return {
            "backbone": self.backbone,
            "session": options,
            "distribution": found.source.distribution,
            "version": found.source.version,
            "files": _hashes(options),
        }

    @contextmanager
    def opened(self, plugins: Plugins) -> Iterator[Make]:
        """A session, for as long as the body runs."""
        from kinema.session.session import Session

        with Session(self.backbone, **self.session, plugins=plugins) as session:

            def make(item: BenchmarkItem, case: Case, seed: int) -> Video:
                return session.animate(
                    case.photo,
                    case.motion,
                    prompt=case.prompt,
                    size=case.size,
                    frames=case.frames,
                    fps=case.fps,
                    seed=seed,
                )

            yield make


@attrs.frozen(kw_only=True)
class StillModel:
    """The photo, held still: what a model is worth that does nothing."""

    kind: ClassVar[str] = "still"

    name: str = "still"

    def what(self, plugins: Plugins) -> Mapping[str, Any]:
        """Nothing tells one from another."""
        return {}

    @contextmanager
    def opened(self, plugins: Plugins) -> Iterator[Make]:
        """Repeats the photo."""
        yield _still


def _still(item: BenchmarkItem, case: Case, seed: int) -> Video:
    from kinema.media.fit import Fit

    height, width = case.photo.shape[:2]
    frame = Fit.of((width, height), case.size or (width, height))(case.photo)
    frames = np.repeat(frame[None], case.frames or case.motion.frames, axis=0)
    return Video(frames=frames, fps=case.fps or case.motion.fps)


@attrs.frozen(kw_only=True)
class RealModel:
    """The real video, where it is known: how much of a number is the metric's own error."""

    kind: ClassVar[str] = "real"

    name: str = "real"

    def what(self, plugins: Plugins) -> Mapping[str, Any]:
        """Nothing tells one from another."""
        return {}

    @contextmanager
    def opened(self, plugins: Plugins) -> Iterator[Make]:
        """Hands out what is known."""
        yield _real


def _real(item: BenchmarkItem, case: Case, seed: int) -> Video:
    if case.truth.frames is None:
        raise InputError(f"The real video of the item {item.key!r} is not known.")
    return Video(frames=case.truth.frames.cpu().numpy(), fps=case.fps or case.motion.fps)


@attrs.frozen(kw_only=True)
class FunctionModel:
    """A function of the caller's; it works in this process alone.

    Attributes:
        name: in tables.
        make: called as ``make(photo, motion, seed)`` with uint8 ``(H, W, 3)`` and a motion on it.
        version: change it when the function changes, so that its videos are made again.
    """

    kind: ClassVar[str] = "function"

    name: str
    make: Callable[[Any, Any, int], Video]
    version: str = ""

    def what(self, plugins: Plugins) -> Mapping[str, Any]:
        """The version."""
        return {"version": self.version}

    @contextmanager
    def opened(self, plugins: Plugins) -> Iterator[Make]:
        """The function itself."""
        yield lambda item, case, seed: self.make(case.photo, case.motion, seed)


@attrs.frozen(kw_only=True)
class VideosModel:
    """Videos that any other tool made.

    ``FOLDER/KEY.mp4`` is the video of the item ``KEY``, or ``FOLDER/SUBSET/KEY.mp4``; a folder of
    PNG frames or another suffix will do. That of another seed than 0 is called ``KEY-seed1.mp4``.
    A manifest ``videos.json`` may say otherwise: ``{"format": "kinema.videos/1", "fps": 8,
    "videos": [{"item": KEY, "seed": 0, "path": "a/b.mp4"}]}``.

    Attributes:
        folder: of the videos.
        name: in tables; the folder's unless given.
    """

    kind: ClassVar[str] = "videos"

    folder: str = attrs.field(converter=os.fspath)
    name: str = attrs.field(
        default=attrs.Factory(lambda self: Path(self.folder).resolve().name, takes_self=True)
    )

    def what(self, plugins: Plugins) -> Mapping[str, Any]:
        """The folder and the manifest's hash; every video is hashed when it is read.

        Raises:
            InputError: the folder is absent, or its manifest cannot be read.
        """
        if not Path(self.folder).is_dir():
            raise InputError(f"There is no folder {self.folder!r} of videos to score.")
        manifest = Path(self.folder) / MANIFEST
        self._listed()
        sha = sha256_of_file(manifest) if manifest.is_file() else ""
        return {"folder": str(Path(self.folder).resolve()), "manifest": sha}

    @contextmanager
    def opened(self, plugins: Plugins) -> Iterator[Make]:
        """Reads the files."""
        listed = self._listed()

        def make(item: BenchmarkItem, case: Case, seed: int) -> Video:
            path, fps = self._path(listed, item, seed)
            if path is None:
                raise InputError(
                    f"{self.folder!r} has no video of the item {item.key!r} with seed {seed}: no "
                    f"{_stem(item.key, seed)}.mp4, with or without the folder {item.subset!r}, and "
                    f"no line of a {MANIFEST}."
                )
            if path.is_dir() and fps is None:
                fps = case.fps or case.motion.fps
            return Video.load(path, fps)

        yield make

    def _path(
        self, listed: Mapping[tuple[str, int], tuple[Path, float | None]] | None,
        item: BenchmarkItem, seed: int,
    ) -> tuple[Path | None, float | None]:  # fmt: skip
        if listed is not None:
            return listed.get((item.key, seed), (None, None))
        folder = Path(self.folder)
        for stem in (_stem(item.key, seed), f"{item.subset}/{_stem(item.key, seed)}"):
            for suffix in SUFFIXES:
                if (path := folder / (stem + suffix)).is_file():
                    return path, None
            if (path := folder / stem).is_dir():
                return path, None
        return None, None

    def _listed(self) -> Mapping[tuple[str, int], tuple[Path, float | None]] | None:
        manifest = Path(self.folder) / MANIFEST
        if not manifest.is_file():
            return None
        what = f"The manifest {str(manifest)!r}"
        try:
            text = read_text(manifest)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{what} cannot be read: {error}.") from None
        data = parse_json(text, what, InputError)
        try:
            if data["format"] != MANIFEST_FORMAT:
                raise ValueError(f"its format is {data['format']!r}, not {MANIFEST_FORMAT!r}")
            fps = data.get("fps")
            return {
                (str(each["item"]), int(each.get("seed", 0))): (
                    manifest.parent / str(each["path"]),
                    each.get("fps", fps),
                )
                for each in data["videos"]
            }
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"{what} cannot be used: {error!r}.") from None


def _stem(key: str, seed: int) -> str:
    return key if seed == 0 else f"{key}-seed{seed}"


def _hashes(options: Any) -> dict[str, str]:
    """sha256 of every file or folder that an option for one names."""
    found: dict[str, str] = {}
    for key, value in options.items() if isinstance(options, Mapping) else ():
        if isinstance(value, Mapping):
            found |= _hashes(value)
        elif key in FILES and isinstance(value, str) and value and Path(value).exists():
            found[Path(value).name] = _hash(Path(value))
    return found


def _hash(path: Path) -> str:
    if path.is_file():
        return sha256_of_file(path)
    whole = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        whole.update(f"{file.relative_to(path).as_posix()} {sha256_of_file(file)}\n".encode())
    return whole.hexdigest()
