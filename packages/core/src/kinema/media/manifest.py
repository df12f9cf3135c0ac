"""The record of how a video was made."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

from kinema.errors import InputError
from kinema.files import parse_json, read_bytes, write_atomically
from kinema.motion.canvas import Size, as_size

FORMAT = "kinema.manifest/2"

#: What the name of a manifest adds to that of its output.
MANIFEST = ".manifest.json"

#: In the first form, one random stream served several purposes of a run, and ``sampler`` was the
#: name of the option ``solver``.
FIRST_FORMAT = "kinema.manifest/1"

#: Distributions whose version may change the numbers, beside those of the offers used.
RECORDED = ("kinema", "torch", "numpy", "diffusers", "opencv-python-headless", "kornia")


def environment(distributions: Iterable[str] = ()) -> dict[str, str]:
    """Versions and machine, as far as they can change the numbers."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in dict.fromkeys((*RECORDED, *distributions)):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _words(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(words)


def _entries(entries: Iterable[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    return tuple(entries)


#: The type of every entry that is read back.
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "offers": Mapping,
    "sample": Mapping,
    "motion": Mapping,
    "photo": Mapping,
    "frames": int,
    "fps": (int, float),
    "seed": int,
    "prompt": str,
    "negative_prompt": (str, type(None)),
    "last_image": Mapping,
    "plate": Mapping,
    "files": Mapping,
    "choices": Mapping,
    "frames_sha256": str,
    "output_sha256": str,
    "environment": Mapping,
}


@attrs.frozen(kw_only=True)
class Manifest:
    """How a video was made: enough to make it again.

    Attributes:
        offers: for each role (backbone, controller, conditions, solver, depth), the offer's name,
            distribution, version and resolved config.
        sample: the resolved sampling options.
        motion: the whole Motion, masks embedded.
        photo: its path (empty if it came from memory) and sha256.
        size, frames, fps, seed: of the video.
        prompt, negative_prompt: the texts.
        last_image: path and sha256 of the photo of the frame to end at; empty if there is none.
        references: path and sha256 of each further photo.
        plate: path and sha256 of the photo of what is behind all that moves; empty without one.
        files: sha256 of every other file read (masks, depth, weights), by path.
        choices: what was decided at run time: device, dtype, kernels, decode chunk.
        notes: what had to be assumed, such as a depth prior.
        licences: of the weights used.
        frames_sha256: of the finished frames.
        output_sha256: of the file that they were written to, or of a folder's names and files;
            empty until they are.
        environment: versions and machine.
        format: the form that it was written in.

    Raises:
        InputError: an entry has another type.
    """

    offers: Mapping[str, Any]
    sample: Mapping[str, Any]
    motion: Mapping[str, Any]
    photo: Mapping[str, str]
    size: Size = attrs.field(converter=as_size)
    frames: int
    fps: float
    seed: int
    prompt: str = ""
    negative_prompt: str | None = None
    last_image: Mapping[str, str] = attrs.field(factory=dict)
    references: tuple[Mapping[str, str], ...] = attrs.field(default=(), converter=_entries)
    plate: Mapping[str, str] = attrs.field(factory=dict)
    files: Mapping[str, str] = attrs.field(factory=dict)
    choices: Mapping[str, Any] = attrs.field(factory=dict)
    notes: tuple[str, ...] = attrs.field(default=(), converter=_words)
    licences: tuple[str, ...] = attrs.field(default=(), converter=_words)
    frames_sha256: str = ""
    output_sha256: str = ""
    environment: Mapping[str, str] = attrs.field(factory=environment)
    format: str = FORMAT

    def __attrs_post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise InputError(f"A manifest's {name} cannot be {value!r:.60}.")
        for name in ("photo", "last_image", "files", "environment"):
            wrong = [value for value in getattr(self, name).values() if not isinstance(value, str)]
            if wrong:
                raise InputError(f"A manifest's {name} cannot hold {wrong[0]!r:.60}.")
        if not all(isinstance(photo, Mapping) for photo in self.references):
            raise InputError(f"A manifest's references cannot be {self.references!r:.60}.")

    def to_json(self) -> str:
        """The manifest as JSON text."""
        return json.dumps({"format": self.format} | attrs.asdict(self), indent=1) + "\n"

    def inputs(self) -> list[str]:
        """The paths of all files that the video was made from."""
        photos = (self.photo, self.last_image, self.plate, *self.references)
        return [
            path for path in (*(photo.get("path", "") for photo in photos), *self.files) if path
        ]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the manifest."""
        text = self.to_json()
        return write_atomically(Path(path), lambda part: part.write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Manifest:
        """Read a manifest.

        Raises:
            InputError: the file is absent, or no manifest of this form.
        """
        try:
            data = parse_json(read_bytes(path), "It", InputError)
            if data["format"] not in (FORMAT, FIRST_FORMAT):
                raise KeyError("format")
            return cls(**data)
        except OSError as error:
            raise InputError(f"The manifest {str(path)!r} cannot be read: {error}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{str(path)!r} is not a manifest of the form {FORMAT!r} "
                f"({type(error).__name__}: {error})."
            ) from None
