"""Opening pictures: the formats that are read, and no more of one than memory holds.

Pillow opens whatever it knows, EPS among it, which it hands to Ghostscript to run. So every place
that opens a picture does it here, by formats that are only decoded.
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from kinema.errors import InputError
from kinema.files import read_bytes

#: What is read, by Pillow's names, as far as it was built with them, and by its modules.
FORMATS = {
    "JPEG": "Jpeg",
    "PNG": "Png",
    "WEBP": "WebP",
    "TIFF": "Tiff",
    "GIF": "Gif",
    "BMP": "Bmp",
    "PPM": "Ppm",
    "MPO": "Mpo",
    "AVIF": "Avif",
    "JPEG2000": "Jpeg2K",
}

#: A larger picture is refused before it is decoded; decoded, it takes 7 bytes per pixel.
MAX_PIXELS = 100_000_000

#: A larger file is refused before it is read.
MAX_BYTES = 2**30


@functools.cache
def _formats() -> list[str]:
    # Pillow's own init imports thirty formats more, for a tenth of a second.
    for module in FORMATS.values():
        with suppress(ImportError):
            importlib.import_module(f"PIL.{module}ImagePlugin")
    return [name for name in FORMATS if name in Image.OPEN]


@contextmanager
def open_picture(source: str | os.PathLike[str] | bytes | IO[bytes], what: str) -> Iterator[Any]:
    """A Pillow image, not yet decoded; Pillow's warnings stay with us.

    Args:
        source: a path, the content of a file, or an open file.
        what: how errors call it, at the start of a sentence.

    Raises:
        InputError: it is absent, no ordinary file, no picture of :data:`FORMATS`, damaged, or
            larger than :data:`MAX_PIXELS`. So is whatever the body meets while it decodes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(_stream(source, what), formats=_formats()) as image:
                check_area(*image.size, what)
                yield image
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"{what} is no image that can be read here; save it as JPEG, PNG, WebP or TIFF."
        ) from None
    except Image.DecompressionBombError:
        raise InputError(f"{what} has more than {MAX_PIXELS} pixels; scale it down.") from None
    except MemoryError:
        raise
    except Exception as error:  # whatever a decoder of damaged data raises
        raise InputError(f"{what} is damaged: {error}.") from None


def _stream(source: str | os.PathLike[str] | bytes | IO[bytes], what: str) -> IO[bytes]:
    if isinstance(source, str | os.PathLike):
        source = content(Path(source), what)
    return io.BytesIO(source) if isinstance(source, bytes) else source


def content(path: Path, what: str) -> bytes:
    """The bytes of a picture's file.

    Raises:
        InputError: it is absent, empty, no ordinary file, or larger than :data:`MAX_BYTES`.
    """
    try:
        found = read_bytes(path, MAX_BYTES)
    except FileNotFoundError:
        raise InputError(f"{what} does not exist.") from None
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror or error}.") from None
    if not found:
        raise InputError(f"{what} is an empty file.")
    return found


def check_area(width: int, height: int, what: str) -> None:
    """Refuse a picture that memory might not hold.

    Raises:
        InputError: it has more than :data:`MAX_PIXELS` pixels, or none.
    """
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{what} is {width}x{height}, more than {MAX_PIXELS} pixels; scale it down."
        )
    if not width * height:
        raise InputError(f"{what} is {width}x{height}; it has no pixels.")
