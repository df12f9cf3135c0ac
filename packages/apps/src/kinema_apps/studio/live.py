"""The live preview: the last stroke's motion as frames, within a second."""

from __future__ import annotations

import io
import struct
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kinema.errors import InputError
from kinema.motion.motion import Motion
from kinema.session.session import Session

#: Photos that are kept decoded; a person works on one.
MOST_PHOTOS = 8
#: Sessions of different options that are kept.
MOST_SESSIONS = 3
#: The longer side of a preview, in pixels.
LONGEST = 512
#: Frames of a preview at most.
MOST_FRAMES = 64
QUALITY = 85

Pixels = NDArray[np.uint8]


class LivePreview:
    """Renders one preview at a time; one that is asked for later ends the earlier of its client.

    Args:
        backbone: name of the backbone that renders.
    """

    def __init__(self, backbone: str = "preview") -> None:
        self._backbone = backbone
        self._photos: OrderedDict[str, Pixels] = OrderedDict()
        self._sessions: OrderedDict[tuple[Any, ...], Session] = OrderedDict()
        self._latest: dict[str, int] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def keep(self, key: str, content: bytes) -> tuple[int, int]:
        """Keep a photo under ``key``, and return its (width, height).

        The content was looked at before: it is a whole picture of bounded size.
        """
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        with self._lock:
            self._photos[key] = pixels
            self._photos.move_to_end(key)
            while len(self._photos) > MOST_PHOTOS:
                self._photos.popitem(last=False)
        return pixels.shape[1], pixels.shape[0]

    def has(self, key: str) -> bool:
        """Whether the photo is still kept."""
        with self._lock:
            return key in self._photos

    def frames(
        self, client: str, key: str, motion: Motion, options: Mapping[str, Any]
    ) -> list[bytes]:
        """The frames of a preview as JPEG files; none if another was asked for meanwhile.

        Raises:
            KeyError: the photo is not kept any more.
            InputError: the motion or an option cannot be used.
        """
        with self._lock:
            photo = self._photos[key]
            number = self._latest[client] = self._latest.get(client, 0) + 1

        def outdated() -> bool:
            return self._latest.get(client) != number

        with self._turn:
            if outdated():
                return []
            made = self._session(options).animate(
                photo, motion, size=_size(motion), frames=min(motion.frames, MOST_FRAMES)
            )
        return [] if outdated() else [_jpeg(frame) for frame in made.frames]

    def _session(self, options: Mapping[str, Any]) -> Session:
        key = tuple(sorted(options.items()))
        if key not in self._sessions:
            self._sessions[key] = Session(self._backbone, options=dict(options))
            if len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)[1].close()
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def close(self) -> None:
        """Free the sessions."""
        with self._turn:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()


def packed(frames: list[bytes]) -> bytes:
    """Files one after the other, each after its length as 32 bits, little-endian."""
    return b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)


def _size(motion: Motion) -> tuple[int, int]:
    width, height = motion.canvas
    scale = min(1.0, LONGEST / max(width, height))
    # Even, because video is; the picture in the page is drawn over the whole canvas anyway.
    return tuple(max(16, 2 * round(side * scale / 2)) for side in (width, height))  # type: ignore[return-value]


def _jpeg(frame: Pixels) -> bytes:
    target = io.BytesIO()
    Image.fromarray(frame).save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def check_options(options: Any) -> dict[str, Any]:
    """Options of the preview that a page may set: texts, numbers and switches.

    Raises:
        InputError: something else is among them.
    """
    if not isinstance(options, Mapping) or len(options) > 20:
        raise InputError("The options of a preview are an object of at most 20 entries.")
    for name, value in options.items():
        if not isinstance(value, (str, int, float, bool)) or len(str(value)) > 100:
            raise InputError(f"The option {str(name)[:40]!r} of a preview is no plain value.")
    return dict(options)
