"""The live preview: the last stroke's motion as frames, within a second."""

from __future__ import annotations

import io
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kinema.errors import Cancelled, InputError
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.session.session import Session

#: Photos that are kept decoded; a person works on one.
MOST_PHOTOS = 8
#: Sessions of different options that are kept.
MOST_SESSIONS = 3
#: Pages that a later request may overtake an earlier one of; the oldest are forgotten.
MOST_CLIENTS = 256
#: The longer side of a preview, in pixels.
LONGEST = 512
#: Of a rough one, which costs less than half: what it shows at once, the other shows well.
ROUGH = 256
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
        self._latest: OrderedDict[str, int] = OrderedDict()
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

    def warm(self) -> None:
        """Load what a first preview needs, so that a person does not wait for it; once."""
        with self._turn:
            if not self._sessions:
                thing = Region(brush=[(16, 16)], radius=6, name="thing")
                drags = [Drag([(16, 16), (20, 16)], region="thing")]
                motion = Motion(canvas=(32, 32), drags=drags, regions=[thing])
                photo = np.tile(np.arange(32, dtype=np.uint8)[:, None, None], (1, 32, 3))
                with _one_thread():
                    self._session({}).animate(photo, motion, frames=2)

    def frames(
        self,
        client: str,
        key: str,
        motion: Motion,
        options: Mapping[str, Any],
        *,
        rough: bool = False,
    ) -> list[bytes]:
        """The frames of a preview as JPEG files; none if another was asked for meanwhile.

        Args:
            client: a page; its later request ends its earlier one, at the next frame.
            rough: small frames, to be seen until those of full size are there.

        Raises:
            KeyError: the photo is not kept any more.
            InputError: the motion or an option cannot be used.
        """
        with self._lock:
            photo = self._photos[key]
            number = self._latest[client] = self._latest.pop(client, 0) + 1
            while len(self._latest) > MOST_CLIENTS:
                self._latest.popitem(last=False)

        def outdated() -> bool:
            return self._latest.get(client, number) != number

        size = _size(motion, ROUGH if rough else LONGEST)
        with self._turn, _one_thread():
            if outdated():
                return []
            try:
                made = self._session(options).animate(
                    photo,
                    motion,
                    size=size,
                    frames=min(motion.frames, MOST_FRAMES),
                    cancel=outdated,
                )
            except Cancelled:
                return []
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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Without sharing small tensors between threads, which costs several times what it saves.

    Measured at 512x320 on 2 cores: 0.3 s of CPU time for 16 frames instead of 1.3 s; the other
    core is the browser's.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _size(motion: Motion, longest: int) -> tuple[int, int]:
    width, height = motion.canvas
    scale = min(1.0, longest / max(width, height))
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
