"""Videos to clips: which stretch, which frames, cut to size, and whether a scene ends within."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from kinema.errors import InputError
from kinema.interfaces import ClipForm
from kinema.media.containers import READ_ONLY
from kinema.media.decoding import Shown, damaged_at, opened
from kinema.motion.canvas import Size, fit_box

Pixels = NDArray[np.uint8]

#: What is taken to be a video.
SUFFIXES = (".mp4", ".webm", ".gif", ".webp", *READ_ONLY)

#: What lies beside videos by custom and is none.
BESIDE = (
    *(".txt", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".md", ".html", ".yaml", ".yml", ".toml"),
    *(".srt", ".vtt", ".ass", ".sub", ".nfo", ".log", ".npy", ".npz", ".parquet", ".pt", ".pth"),
    *(".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".wav", ".mp3", ".aac", ".flac", ".m4a"),
    *(".safetensors", ".pkl", ".db", ".ini", ".py", ".sh"),
)

#: How the files begin that macOS writes beside others on foreign disks, "._name".
_APPLE_DOUBLE = b"\x00\x05\x16\x07"

#: Colours are counted in so many steps of each channel, on frames of so many pixels.
STEPS = 8
GLANCE = (64, 40)

#: A cut also stands out from the clip's own usual change by this factor. Measured on 24 synthetic
#: clips with fast motion: changes of at most 0.09, and 1.8 times the usual one; on 23 cuts between
#: them: at least 0.25, and 8 times the usual one.
OUTSTANDING = 4.0


def duration_of(video: str | bytes, name: str) -> float:
    """Seconds from the first frame to the end of the last.

    Raises:
        InputError: the video cannot be read.
    """
    with opened(video, name) as source:
        return source.duration()


def read_stretch(video: str | bytes, name: str, start: float, form: ClipForm) -> Tensor:
    """The frames shown at ``start``, ``start + 1 / fps``, ..., uint8 ``(T, H, W, 3)``.

    They come as :mod:`kinema.media.decoding` gives them, resized to cover the size and cropped at
    the centre.

    Raises:
        InputError: the video cannot be read, is damaged there, or ends before.
    """
    wanted = [start + number / form.fps for number in range(form.frames)]
    frames: list[Pixels] = []

    def take(shown: Shown) -> None:
        if shown.damaged:
            raise damaged_at(name, shown.at)
        frames.append(fitted(shown.pixels, form.size))

    with opened(video, name) as source:
        length = 1 / (source.rate() or 25.0)
        end = None if source.rate() else source.duration()
        before: Shown | None = None
        for shown in source.frames(start):
            while before is not None and len(frames) < form.frames:
                if shown.at <= wanted[len(frames)] + 1e-4:
                    break
                take(before)
            if len(frames) == form.frames:
                break
            before = shown
        if before is not None:
            until = before.at + length if end is None else end
            while len(frames) < form.frames and wanted[len(frames)] < until:
                take(before)
    if len(frames) < form.frames:
        raise InputError(
            f"The video {name!r} ends within the clip at {start:g} s: {len(frames)} of "
            f"{form.frames} frames are there."
        )
    return torch.from_numpy(np.stack(frames))


def first_frames(video: str, count: int) -> Tensor:
    """The first frames of a video at its own size, uint8 ``(T, H, W, 3)``; no more are decoded.

    Raises:
        InputError: the video cannot be read, is damaged there, or has fewer.
    """
    frames: list[Pixels] = []
    with opened(video) as source:
        for shown in itertools.islice(source.frames(), count):
            if shown.damaged:
                raise damaged_at(video, shown.at)
            frames.append(shown.pixels)
    if len(frames) < count:
        raise InputError(f"The video {video!r} has {len(frames)} of {count} frames.")
    return torch.from_numpy(np.stack(frames))


def fitted(pixels: Pixels, size: Size) -> Pixels:
    """A picture cut to ``size``, uint8 ``(H, W, 3)``."""
    image = Image.fromarray(pixels)
    box = fit_box(image.size, size)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))


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


def is_companion(path: Path) -> bool:
    """Whether a file called ``._name`` is what macOS writes beside ``name``."""
    if not path.name.startswith("._"):
        return False
    with path.open("rb") as file:
        head = file.read(4)
    return head == _APPLE_DOUBLE or len(head) < 4


def check_there(path: Path) -> None:
    """Tell a file that is gone from one that is broken.

    Raises:
        FileNotFoundError: there is none; a disk or a folder may be lost for a while.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


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
