"""Annotating a folder of photos: each becomes an item of the MC-Bench form.

An item is a folder ``OUT/GROUP/NAME`` with ``first_frame.png``, ``first_frame_mask.png``,
``user_drag.png``, ``meta_data.json`` and, with all that the page knows, ``motion.json``.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from PIL import Image

from kinema.errors import InputError
from kinema.files import parse_json, read_bytes
from kinema.formats import write_motion
from kinema.motion.motion import Motion
from kinema_apps.drawing import drawn

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

#: The groups of MC-Bench.
GROUPS = ("Fine_grained_control", "object_control")

#: How long a photo is kept for one annotator, in seconds.
LEASE = 15 * 60.0


@attrs.frozen
class Photo:
    """A photo of the folder: its file name, and the names of the items made of it."""

    name: str
    items: tuple[str, ...]


def _photo_of(item: Path) -> str:
    """Which photo an item was made of; empty where its record is damaged: it is one of no photo."""
    try:
        told = parse_json(read_bytes(item / "source.json"), "It", InputError)
    except (OSError, InputError):
        return ""
    photo = told.get("photo") if isinstance(told, dict) else None
    return photo if isinstance(photo, str) else ""


class Annotation:
    """Photos to annotate, and the items that have been made of them.

    What is done lies on the disk, so that a server begins again where the last one ended. Several
    people may annotate at once: each is given another photo, and where two save the same one, both
    items are kept.

    Raises:
        InputError: the folder is absent or holds no photo, or ``out`` cannot be made.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"There is no folder {str(folder)!r} with photos to annotate.")
        self._folder, self.out = folder, out
        self._names = sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES and path.is_file()
        )
        if not self._names:
            raise InputError(f"The folder {str(folder)!r} holds no photo ({', '.join(SUFFIXES)}).")
        try:
            for group in GROUPS:
                (out / group).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"Items cannot be written to {str(out)!r}: {error.strerror or error}."
            ) from None
        for part in out.glob("*/.part-*"):
            shutil.rmtree(part, ignore_errors=True)
        self._leases: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def photos(self) -> list[Photo]:
        """All photos, in order, with what was made of each."""
        made: dict[str, list[str]] = {}
        for group in GROUPS:
            for item in sorted((self.out / group).iterdir()):
                if not item.name.startswith(".") and (item / "source.json").is_file():
                    made.setdefault(_photo_of(item), []).append(f"{group}/{item.name}")
        return [Photo(name, tuple(made.get(name, ()))) for name in self._names]

    def next(self, annotator: str, skip: str = "") -> str | None:
        """The photo that ``annotator`` should do next; None if all are done or being done.

        Args:
            skip: a photo to pass over; the search goes on behind it, and from the front again.
        """
        now = time.monotonic()
        with self._lock:
            photos = self.photos()
            begin = self._names.index(skip) + 1 if skip in self._names else 0
            for photo in photos[begin:] + photos[:begin]:
                holder, until = self._leases.get(photo.name, ("", 0.0))
                if not photo.items and (holder in ("", annotator) or until < now):
                    self._leases = {
                        name: lease for name, lease in self._leases.items() if lease[0] != annotator
                    }
                    self._leases[photo.name] = (annotator, now + LEASE)
                    return photo.name
        return None

    def path(self, name: str) -> Path:
        """Where a photo lies.

        Raises:
            InputError: it is none of the folder's.
        """
        if name not in self._names:
            raise InputError(f"There is no photo {name[:80]!r} to annotate.")
        return self._folder / name

    def save(self, name: str, group: str, frame: bytes, motion: Motion) -> str:
        """Write an item, and return its name within ``out``.

        Args:
            name: of the photo.
            group: one of :data:`GROUPS`.
            frame: PNG of the photo as it was annotated, cropped, as large as the motion's canvas.
            motion: with its masks embedded.

        Raises:
            InputError: the group is unknown, the frame is of another size, or nothing is drawn.
        """
        self.path(name)
        if group not in GROUPS:
            raise InputError(f"Unknown group {group[:40]!r}. Choose one of: {', '.join(GROUPS)}.")
        if not motion.drags:
            raise InputError("An item needs at least one drag; draw where something should go.")
        with Image.open(io.BytesIO(frame), formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("RGB"))
        if (pixels.shape[1], pixels.shape[0]) != motion.canvas:
            raise InputError(
                f"The frame is {pixels.shape[1]}x{pixels.shape[0]} but the motion's canvas is "
                f"{motion.canvas[0]}x{motion.canvas[1]}."
            )
        folder = self.out / group
        part = folder / f".part-{secrets.token_hex(8)}"
        part.mkdir()
        try:
            self._fill(part, name, pixels, motion)
            with self._lock:
                item = _moved(part, folder, Path(name).stem)
                self._leases.pop(name, None)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return f"{group}/{item}"

    def _fill(self, part: Path, name: str, pixels: Any, motion: Motion) -> None:
        Image.fromarray(pixels).save(part / "first_frame.png")
        write_motion(motion, part, "mc-bench", lossy=True)
        Image.fromarray(drawn(pixels, motion)).save(part / "user_drag.png")
        _write(part / "motion.json", motion.to_dict())
        _write(part / "source.json", {"photo": name})


def _write(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")


def _moved(part: Path, folder: Path, stem: str) -> str:
    """Give a finished item the first free name."""
    number = 1
    while True:
        item = stem if number == 1 else f"{stem}-{number}"
        if not (folder / item).exists():
            os.rename(part, folder / item)
            return item
        number += 1
