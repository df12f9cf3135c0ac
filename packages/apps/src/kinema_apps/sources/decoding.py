"""Videos to clips: which stretch, which frames, cut to size, and whether a scene ends within."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import ClipForm
from kinema.motion.canvas import Size, fit_box

Pixels = NDArray[np.uint8]

#: What is taken to be a video.
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif")

#: Colours are counted in so many steps of each channel, on frames of so many pixels.
STEPS = 8
GLANCE = (64, 40)

#: A cut also stands out from the clip's own usual change by this factor. Measured on 24 synthetic
#: clips with fast motion: changes of at most 0.09, and 1.8 times the usual one; on 23 cuts between
#: them: at least 0.25, and 8 times the usual one.
OUTSTANDING = 4.0


@contextmanager
def opened(video: str | bytes, name: str) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream.

    Raises:
        InputError: the video is absent, damaged or holds no pictures.
    """
    import av

    file: str | IO[bytes] = video if isinstance(video, str) else io.BytesIO(video)
    try:
        with av.open(file) as container:
            if not container.streams.video:
                raise InputError(f"The video {name!r} holds no pictures.")
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            yield container, stream
    except av.FFmpegError as error:
        raise InputError(f"The video {name!r} cannot be read: {error.strerror}.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"The video {name!r} cannot be read: {error}.") from None


def duration_of(video: str | bytes, name: str) -> float:
    """Seconds, as the header says; 0 where it does not.

    Raises:
        InputError: the video cannot be read.
    """
    with opened(video, name) as (container, stream):
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return float(container.duration or 0) / 1_000_000


def read_stretch(video: str | bytes, name: str, start: float, form: ClipForm) -> Tensor:
    """The frames shown at ``start``, ``start + 1 / fps``, ..., uint8 ``(T, H, W, 3)``.

    They are turned upright, resized to cover the size and cropped at the centre.

    Raises:
        InputError: the video cannot be read, or ends before.
    """
    wanted = [start + number / form.fps for number in range(form.frames)]
    frames: list[Pixels] = []
    with opened(video, name) as (container, stream):
        base = float(stream.time_base)
        origin = float(stream.start_time or 0) * base
        if start > 0:
            container.seek(int((start + origin) / base), stream=stream, backward=True)
        length = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        shown, until = None, 0.0
        for frame in container.decode(stream):
            at = (float(frame.pts) * base - origin) if frame.pts is not None else until
            while len(frames) < form.frames and at > wanted[len(frames)] + 1e-4:
                if shown is None:
                    break
                frames.append(fitted(shown, form.size))
            if len(frames) == form.frames:
                break
            shown, until = frame, at + length
        while shown is not None and len(frames) < form.frames and wanted[len(frames)] < until:
            frames.append(fitted(shown, form.size))
    if len(frames) < form.frames:
        raise InputError(
            f"The video {name!r} ends within the clip at {start:g} s: {len(frames)} of "
            f"{form.frames} frames are there."
        )
    return torch.from_numpy(np.stack(frames))


def fitted(frame: Any, size: Size) -> Pixels:
    """A decoded frame, upright and cut to ``size``, as uint8 ``(H, W, 3)``."""
    pixels = frame.to_ndarray(format="rgb24") if not isinstance(frame, np.ndarray) else frame
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    image = Image.fromarray(np.ascontiguousarray(np.rot90(pixels, k=turns)))
    box = fit_box(image.size, size)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))


def read_all(path: str, size: Size | None) -> Tensor:
    """Every frame of a video, uint8 ``(T, H, W, 3)``; cut to ``size`` if one is given.

    Raises:
        InputError: the video cannot be read.
    """
    with opened(path, path) as (container, stream):
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    if not decoded:
        raise InputError(f"The video {path!r} holds no pictures.")
    frames = decoded if size is None else [fitted(frame, size) for frame in decoded]
    return torch.from_numpy(np.stack(frames))


# -- scene cuts ------------------------------------------------------------------------------------


def colour_changes(frames: Tensor) -> NDArray[np.float64]:
    """How much the colours of neighbouring frames differ, ``(T - 1,)``, 0 to 1.

    Half the difference of their colour histograms: the share of the pixels that have other colours.
    """
    histograms = np.stack([_histogram(frame) for frame in frames.numpy()])
    changes: NDArray[np.float64] = np.abs(np.diff(histograms, axis=0)).sum(1) / 2
    return changes


def _histogram(frame: Pixels) -> NDArray[np.float64]:
    small = np.asarray(Image.fromarray(frame).resize(GLANCE, Image.Resampling.BOX))
    steps = small.reshape(-1, 3).astype(np.int64) * STEPS // 256
    codes = steps @ np.array([STEPS * STEPS, STEPS, 1])
    counts: NDArray[np.float64] = np.bincount(codes, minlength=STEPS**3) / len(codes)
    return counts


def has_cut(frames: Tensor, threshold: float) -> bool:
    """Whether a scene ends between two of the frames."""
    changes = colour_changes(frames)
    usual = float(np.median(changes))
    return bool(threshold < 1 and changes.max() > max(threshold, OUTSTANDING * usual))


# -- files -----------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def sha256_of_path(path: str) -> str:
    """Hex digest of a file; one video gives many clips."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def existing_folder(name: str, folder: str) -> Path:
    """The folder that a source reads.

    Raises:
        InputError: it is not named, or is none.
    """
    if not folder:
        raise InputError(f"The clip source {name!r} needs a folder: its option 'folder'.")
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"There is no folder {folder!r} for the clip source {name!r} to read.")
    return path
