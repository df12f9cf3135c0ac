"""The file forms of a video: one writer and one reader each."""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from kinema.errors import InputError
from kinema.media.decoding import FULL_CHROMA, read_frames
from kinema.media.manifest import MANIFEST
from kinema.media.pictures import open_picture
from kinema.outputs import check_file, check_target, sweep

Form = Literal["mp4", "webm", "gif", "webp", "folder", "pattern"]
Frames = NDArray[np.uint8]

_SUFFIXES: dict[str, Form] = {".mp4": "mp4", ".webm": "webm", ".gif": "gif", ".webp": "webp"}
_CHOICES = ".mp4, .webm, .gif, .webp, a folder, or a pattern such as 'frames/%03d.png'"

#: What videos are called that are read and not written.
READ_ONLY = (
    *(".mov", ".mkv", ".avi", ".m4v", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".m2v", ".vob"),
    *(".wmv", ".asf", ".flv", ".f4v", ".ogv", ".ogm", ".3gp", ".3g2", ".mxf", ".dv", ".rm", ".nut"),
    *(".y4m", ".divx", ".h264", ".hevc", ".ivf", ".apng", ".mj2", ".amv", ".wtv"),
)
_PATTERN = re.compile(r"%(0\d+)?d")
_FRAME = re.compile(r"\d{4,}\.png")

#: GIF counts time in hundredths of a second, and viewers slow down below two of them.
GIF_FASTEST = 50.0


def form_of(path: Path) -> Form:
    """Which form a path asks for.

    Raises:
        InputError: its suffix is none that is known; the message lists the choices.
    """
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix in READ_ONLY:
        return "mp4"
    if suffix == ".png":
        if len(_PATTERN.findall(path.name)) != 1 or path.name.count("%") != 1:
            raise InputError(
                f"{str(path)!r} names one picture; PNG frames need one number in the name, as in "
                "'frames/%03d.png'."
            )
        return "pattern"
    if suffix and not path.is_dir():
        raise InputError(f"Unknown video suffix {path.suffix!r} of {str(path)!r}. Use {_CHOICES}.")
    return "folder"


def check_output(path: str | os.PathLike[str]) -> Form:
    """Say whether a video can be written to ``path``, before time is spent on making one.

    Raises:
        InputError: the suffix is unknown, the folder is absent or not writable, or what is there
            already is not an earlier output.
    """
    target = Path(path)
    form = form_of(target)
    if target.suffix.lower() in READ_ONLY:
        raise InputError(f"Videos are not written as {target.suffix!r}. Use {_CHOICES}.")
    real = check_target(target)
    check_file(real.with_name(real.name + MANIFEST))
    if form == "folder" and target.exists():
        others = target.is_file() or any(not _FRAME.fullmatch(p.name) for p in target.iterdir())
        if others:
            raise InputError(
                f"{str(target)!r} exists and holds something else than frames; choose another "
                f"name, or a suffix: {_CHOICES}."
            )
    elif form != "folder" and target.is_dir():
        raise InputError(f"Cannot write {str(target)!r}: a folder has that name.")
    return form


# -- MP4 and WebM ---------------------------------------------------------------------------------

#: FFmpeg's numbers: BT.709 for primaries, transfer and matrix alike, and limited ("MPEG") range.
_BT709 = 1
_LIMITED = 1

_CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "mp4": ("libx264", {"crf": "16", "preset": "medium"}),
    "webm": ("libvpx-vp9", {"crf": "20", "b:v": "0", "row-mt": "1", "cpu-used": "3"}),
}

#: Frames of more pixels are encoded with fewer of them in memory. At 12 million pixels, the usual
#: options hold 0.7 GB for 8 frames and 1.5 GB for 30, the others 0.5 GB for any number.
LARGE = 2**22

#: What changes then. Without frames that look ahead a lower ``crf`` keeps the quality: measured on
#: photos with moving parts, PSNR and size are as before. Slices instead of frames go to threads,
#: and their number is fixed, so that the same bytes come out on every machine.
_LARGE: dict[str, dict[str, str]] = {
    "mp4": {
        "crf": "11",
        "threads": "4",
        "x264-params": "sync-lookahead=0:rc-lookahead=2:ref=1:bframes=0:sliced-threads=1",
    },
    "webm": {"lag-in-frames": "0"},
}


def _write_av(form: str) -> Callable[[Frames, float, Path], None]:
    def write(frames: Frames, fps: float, path: Path) -> None:
        import av

        # The format has even sizes only.
        odd = [(0, side % 2 if form == "mp4" else 0) for side in frames.shape[1:3]]
        height, width = (
            side + more for side, (_, more) in zip(frames.shape[1:3], odd, strict=True)
        )
        codec, options = _CODECS[form]
        if frames.shape[1] * frames.shape[2] > LARGE:
            options = {**options, **_LARGE[form]}
            _return_freed()
        container_options = {"movflags": "+faststart"} if form == "mp4" else {}
        with _named_av_errors(), av.open(_url(path), "w", options=container_options) as container:
            stream: Any = container.add_stream(codec, rate=_rate(fps), options=options)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv420p"
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED
            for pixels in frames:
                # One by one, since a padded copy of the video would take as much again.
                pixels = np.pad(pixels, [*odd, (0, 0)], mode="edge") if np.any(odd) else pixels
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                    format="yuv420p",
                    dst_colorspace=_BT709,
                    dst_color_range=_LIMITED,
                    interpolation=FULL_CHROMA,
                )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    return write


def _return_freed() -> None:
    """Hand back what the C library keeps of freed memory, where it can be asked to (glibc)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _url(path: Path) -> str:
    """The path for FFmpeg, which takes what is before a colon for a protocol."""
    return f"file:{path}"


@contextmanager
def _named_av_errors() -> Iterator[None]:
    import av

    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.strerror or str(error)) from error


def _rate(fps: float) -> Fraction:
    return Fraction(fps).limit_denominator(1001)


def _read_film(path: Path) -> tuple[Frames, float | None]:
    _check_exists(path)
    return read_frames(path)


# -- GIF and WebP ---------------------------------------------------------------------------------


def _durations(frames: int, fps: float, unit: int) -> list[int]:
    """Milliseconds per frame in multiples of ``unit``; the rounding does not add up."""
    ticks = [round(1000 * frame / fps / unit) * unit for frame in range(frames + 1)]
    return [b - a for a, b in itertools.pairwise(ticks)]


def _write_gif(frames: Frames, fps: float, path: Path) -> None:
    if fps > GIF_FASTEST:
        raise InputError(
            f"A GIF shows at most {GIF_FASTEST:g} frames per second, got {fps:g}; "
            "use .webp or .mp4."
        )
    # One palette for the whole clip, so that colours stay what they are from frame to frame.
    sample = frames[:: max(1, len(frames) // 8)]
    mosaic = Image.fromarray(sample.reshape(-1, *frames.shape[2:]))
    palette = mosaic.quantize(256, method=Image.Quantize.MEDIANCUT)
    images: list[Image.Image] = []
    for index, pixels in enumerate(frames):
        dithered = Image.fromarray(pixels).quantize(
            palette=palette, dither=Image.Dither.FLOYDSTEINBERG
        )
        if index:
            # Dithering spreads a change to the right and down; what stands still may not flicker.
            still = (pixels == frames[index - 1]).all(axis=-1)
            dithered.paste(images[-1], mask=Image.fromarray(still))
        images.append(dithered)
    images[0].save(
        path,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=_durations(len(frames), fps, 10),
        loop=0,
        optimize=False,
    )


def _write_webp(frames: Frames, fps: float, path: Path) -> None:
    images = [Image.fromarray(pixels) for pixels in frames]
    images[0].save(
        path,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=_durations(len(frames), fps, 1),
        loop=0,
        quality=90,
        method=4,
    )


# -- PNG frames -----------------------------------------------------------------------------------


def _write_png(pixels: Frames, fps: float, path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("fps", repr(fps))
    Image.fromarray(pixels).save(path, "PNG", pnginfo=info, compress_level=4)


def _write_folder(frames: Frames, fps: float, path: Path) -> None:
    path.mkdir()
    for index, pixels in enumerate(frames):
        _write_png(pixels, fps, path / f"{index:04d}.png")


def _write_pattern(frames: Frames, fps: float, path: Path) -> None:
    for index, pixels in enumerate(frames):
        _write_png(pixels, fps, path.parent / (path.name % index))


def numbered(path: Path) -> list[tuple[int, Path]]:
    """The files that a pattern names, by number."""
    head, tail = _PATTERN.split(path.name)[0], _PATTERN.split(path.name)[-1]
    name = re.compile(re.escape(head) + r"(\d+)" + re.escape(tail))
    matches = [(name.fullmatch(file.name), file) for file in path.parent.glob("*.png")]
    numbers = [(int(match[1]), file) for match, file in matches if match]
    return sorted(item for item in numbers if item[1].name == path.name % item[0])


def _read_folder(path: Path) -> tuple[Frames, float | None]:
    _check_exists(path)
    return _read_pngs(sorted(path.glob("*.png"), key=_natural), path)


def _read_pattern(path: Path) -> tuple[Frames, float | None]:
    sweep(path.resolve().parent)
    found = numbered(path)
    numbers = [number for number, _ in found]
    for before, after in itertools.pairwise(numbers):
        if after > before + 1:
            raise InputError(f"The frames {str(path)!r} lack number {before + 1}.")
    return _read_pngs([file for _, file in found], path)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _read_pngs(files: list[Path], path: Path) -> tuple[Frames, float | None]:
    if not files:
        raise InputError(f"There are no PNG frames at {str(path)!r}.")
    with open_picture(files[0], f"The frame {str(files[0])!r}") as first:
        rate = getattr(first, "text", {}).get("fps")
    frames = list(_same_size(files))
    return np.stack(frames), _as_rate(rate)


def _as_rate(text: Any) -> float | None:
    """The frame rate that a PNG says; None if it says none."""
    try:
        rate = float(text or 0)
    except ValueError:
        return None
    return rate if math.isfinite(rate) and rate > 0 else None


def _same_size(files: list[Path]) -> Iterator[Frames]:
    from kinema.media.photo import read_photo

    size = None
    for file in files:
        photo = read_photo(file)
        if size not in (None, photo.size):
            raise InputError(f"The frame {str(file)!r} is {photo.size}, the ones before it {size}.")
        size = photo.size
        yield photo.pixels


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise InputError(f"The video {str(path)!r} does not exist.")


WRITERS: dict[Form, Callable[[Frames, float, Path], None]] = {
    "mp4": _write_av("mp4"),
    "webm": _write_av("webm"),
    "gif": _write_gif,
    "webp": _write_webp,
    "folder": _write_folder,
    "pattern": _write_pattern,
}

READERS: dict[Form, Callable[[Path], tuple[Frames, float | None]]] = {
    "mp4": _read_film,
    "webm": _read_film,
    "gif": _read_film,
    "webp": _read_film,
    "folder": _read_folder,
    "pattern": _read_pattern,
}
