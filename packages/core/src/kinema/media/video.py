"""Video: frames in memory, and its way into and out of files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError, KinemaError
from kinema.files import write_atomically
from kinema.media.containers import READERS, WRITERS, check_output, form_of
from kinema.media.manifest import Manifest
from kinema.media.photo import Photo, read_photo
from kinema.motion.canvas import Size

__all__ = ["Photo", "Video", "check_output", "manifest_path", "read_photo"]


def _frames(frames: Any) -> NDArray[np.uint8]:
    array = np.asarray(frames)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        raise InputError(
            f"A Video's frames must be uint8 (T, H, W, 3) RGB, got {array.dtype} {array.shape!r}."
        )
    return np.ascontiguousarray(array)


@attrs.frozen(eq=False)
class Video:
    """Frames and their rate.

    Attributes:
        frames: uint8 ``(T, H, W, 3)`` RGB.
        fps: frames per second.
        manifest: how the video was made; None for one that was read from a file.

    Raises:
        InputError: the frames have another type or shape, or fps is not a positive number.
    """

    frames: NDArray[np.uint8] = attrs.field(
        converter=_frames, repr=lambda frames: f"<{frames.shape}>"
    )
    fps: float = attrs.field(converter=float)
    manifest: Manifest | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"A Video's fps must be a positive number, got {self.fps!r}.")

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.frames.shape[2], self.frames.shape[1]

    def save(self, path: str | os.PathLike[str], manifest: bool = True) -> Path:
        """Write the video, and beside it the manifest if it has one (see :func:`manifest_path`).

        ``.mp4`` (H.264, yuv420p; an odd width or height repeats its last column or row, since the
        format has even sizes only), ``.webm`` (VP9), ``.gif``, ``.webp``, a folder (a name without
        suffix) or a pattern such as ``frames/%03d.png``. PNG frames are exact, the others are not.

        Raises:
            InputError: the suffix is unknown, the folder is absent, or what is there already is
                not an earlier output.
            KinemaError: writing failed; nothing is left behind.
        """
        target = Path(path)
        form = check_output(target)
        try:
            if form == "pattern":
                WRITERS[form](self.frames, self.fps, target)
            else:
                write_atomically(target, lambda part: WRITERS[form](self.frames, self.fps, part))
            if manifest and self.manifest is not None:
                self.manifest.save(manifest_path(target))
        except OSError as error:
            raise KinemaError(f"Writing {str(target)!r} failed: {error}.") from error
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str], fps: float | None = None) -> Video:
        """Read a video file, GIF, animated WebP, folder of PNG frames or pattern.

        Frames of varying duration come as if the rate were constant. ``fps`` replaces what the
        file says; PNG frames that were not written by kinema need it.

        Raises:
            InputError: the file is absent, damaged, or nothing that can be read.
        """
        source = Path(path)
        form = form_of(source)
        frames, rate = READERS[form](source)
        rate = rate if fps is None else fps
        if rate is None:
            raise InputError(f"{str(source)!r} does not say its frame rate; give fps.")
        return cls(frames, rate)


def manifest_path(path: str | os.PathLike[str]) -> Path:
    """Where the manifest of an output goes: ``out.mp4`` has ``out.manifest.json`` beside it.

    A pattern has ``frames.manifest.json`` in its folder.
    """
    target = Path(path)
    stem = "frames" if "%" in target.name else target.stem
    return target.with_name(f"{stem}.manifest.json")
