"""kinema's own motion files (``kinema.motion/1``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from kinema.errors import MotionError
from kinema.formats.form import Asked, Document, Form, Peek, timing
from kinema.formats.reading import read_json
from kinema.motion.motion import Motion


def _detect(peek: Peek) -> bool:
    if not isinstance(peek.json, Mapping):
        return False
    parts = {"drags", "regions", "tracks", "camera"}
    return str(peek.json.get("format", "")).startswith("kinema.") or (
        "canvas" in peek.json and not parts.isdisjoint(peek.json)
    )


def _read(path: Path, asked: Asked) -> Document:
    document = read_json(path)
    if not isinstance(document, dict):
        raise MotionError(f"A Motion document must be an object, got {type(document).__name__}.")
    fps = asked.fps if asked.fps is not None else document.get("fps")
    if asked.fps is not None:
        document = {**document, "fps": asked.fps}
    if asked.frames is not None and isinstance(fps, (int, float)) and fps > 0:
        document = {**document, "duration": asked.frames / fps}
    elif asked.frames is not None and fps is None:
        document = {**document, **timing(asked, None)}
    return document


def _write(motion: Motion, path: Path, frames: int | None) -> None:
    if frames is not None:
        motion = attrs.evolve(motion, duration=frames / motion.fps)
    motion.save(path)


FORM = Form(
    name="motion",
    summary="kinema's own motion file, kinema.motion/1",
    files='*.json with "format": "kinema.motion/1"',
    loses="nothing",
    holds=frozenset(
        {"drags", "regions", "layers", "tracks", "hidden", "moves", "poses", "intrinsics"}
        | {"transform", "turns", "clock"}
    ),
    detect=_detect,
    read=_read,
    write=_write,
)
