"""Captions of clips: text that can be kept, or an error that names the file."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from kinema.errors import InputError

#: The largest caption file that is read, in bytes; what a text encoder reads is far shorter.
MOST_TEXT = 1_000_000

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def printable(name: str) -> str:
    """A file name in which bytes that are not UTF-8 are written out, by a backslash and two digits.

    File systems hold names of any bytes; screens, JSON and Parquet hold text alone.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_caption(path: Path, name: str) -> str:
    """The text of a caption file, without the blanks around it.

    Raises:
        InputError: it is too long, or no text in UTF-8 (or UTF-16 with its mark).
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        return caption_of(file.read(MOST_TEXT + 1), name, size)


def caption_of(data: bytes, name: str, size: int | None = None) -> str:
    """The text of a caption file's bytes.

    Args:
        size: the bytes it has, if these are only its beginning.

    Raises:
        InputError: as :func:`read_caption`.
    """
    if len(data) > MOST_TEXT:
        raise InputError(
            f"The caption {name!r} has {size or len(data)} bytes; at most {MOST_TEXT} are read. "
            "Shorten it, or remove it."
        )
    try:
        return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(
            f"The caption {name!r} is no text in UTF-8: its byte {error.start} is "
            f"0x{data[error.start]:02x}. Save it as UTF-8 (it may be Latin-1)."
        ) from None


def caption_in(record: bytes, key: str, name: str) -> str:
    """The caption that a JSON record holds under a key; empty if it has none.

    Raises:
        InputError: it is too long, no JSON, nested too deeply, or the caption is no text.
    """
    text = caption_of(record, name)
    try:
        found: Any = json.loads(text) if text else {}
    except RecursionError:
        raise InputError(f"The record {name!r} is nested too deeply to be read.") from None
    except ValueError as error:
        raise InputError(f"The record {name!r} is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise InputError(f"The record {name!r} is a JSON {type(found).__name__}, not an object.")
    caption = found.get(key)
    if caption is None:
        return ""
    if not isinstance(caption, str):
        raise InputError(
            f"The caption of the record {name!r}, its {key!r}, is {caption!r:.60}; it must be text."
        )
    try:
        caption.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"The caption of the record {name!r} holds half a character (the lone surrogate "
            f"U+{ord(caption[error.start]):04X}), which is no text."
        ) from None
    return caption.strip()
