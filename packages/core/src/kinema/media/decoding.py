"""Reading videos as they are meant to be seen: one reader for whoever needs frames of a file.

Frames come upright and unmirrored (the display matrix), with square pixels, in the colours of a
standard screen (wide gamut and HDR are converted), on white where they are transparent, each with
its time from the first one. GIF, WebP and PNG animations are read by Pillow, all else by FFmpeg.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import attrs
import numpy as np
from PIL import Image

from kinema.errors import InputError
from kinema.files import check_ordinary
from kinema.media.pictures import check_area, open_picture
from kinema.media.upright import BT2020, HDR, Colours, Pixels, display_matrix, turned

#: FFmpeg's scaler: bicubic with full chroma interpolation and exact rounding, which halves the
#: colour error.
FULL_CHROMA = 0x4 | 0x2000 | 0x4000 | 0x40000

#: Pixels that are stretched by more than this are a broken header.
MOST_STRETCH = 8.0

#: What browsers make of a GIF's frames of ten milliseconds and less.
BROWSER_DURATION = 100

#: How files begin that Pillow reads; WebP begins as AVI does, and says so later.
_ANIMATIONS = (b"GIF8", b"\x89PNG")


@attrs.frozen(eq=False)
class Shown:
    """One frame of a video.

    Attributes:
        at: seconds from the video's first frame.
        pixels: uint8 ``(H, W, 3)`` RGB.
        damaged: whether the decoder says that it, or a frame that it builds on, is damaged.
    """

    at: float
    pixels: Pixels
    damaged: bool = False


class Opened(Protocol):
    """A video that is open for reading."""

    name: str

    def frames(self, start: float = 0.0) -> Iterator[Shown]:
        """The frames in the order they are shown, from the one shown at ``start`` seconds.

        Raises:
            InputError: the video is damaged beyond decoding, or cannot be shown as it is meant.
        """

    def duration(self) -> float:
        """Seconds from the first frame's showing to the last one's end."""

    def rate(self) -> float | None:
        """Frames per second as the file says; None if it does not."""


@contextmanager
def opened(video: str | Path | bytes, name: str = "") -> Iterator[Opened]:
    """Open a video file, or the bytes of one.

    Args:
        name: how errors call it; its path unless given.

    Raises:
        InputError: it is absent, no video or damaged, also while the body reads it.
    """
    import av

    name = name or (f"{len(video)} bytes" if isinstance(video, bytes) else str(video))
    try:
        if _is_animation(video, name):
            with _animation(video, name) as animation:
                yield animation
            return
        file: str | IO[bytes] = io.BytesIO(video) if isinstance(video, bytes) else _url(video)
        with av.open(file) as container:
            if not container.streams.video:
                raise InputError(f"The video {name!r} holds no pictures.")
            context = container.streams.video[0].codec_context
            if context.width * context.height:
                check_area(context.width, context.height, f"The video {name!r}")
            yield _Film(container, name)
    except av.FFmpegError as error:
        raise InputError(f"The video {name!r} cannot be read: {error.strerror}.") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"The video {name!r} cannot be read: {error}.") from None


def _url(video: str | Path) -> str:
    # A name such as "take:2.mp4" is a file, and no protocol.
    return f"file:{video}"


def _is_animation(video: str | Path | bytes, name: str) -> bool:
    """Whether Pillow is to read it."""
    if isinstance(video, bytes):
        head = video[:16]
    else:
        try:
            check_ordinary(video)
            with Path(video).open("rb") as file:
                head = file.read(16)
        except FileNotFoundError:
            raise InputError(f"The video {name!r} does not exist.") from None
        except OSError as error:
            raise InputError(
                f"The video {name!r} cannot be read: {error.strerror or error}."
            ) from None
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    return head.startswith(_ANIMATIONS)


def holds_video(path: Path) -> bool:
    """Whether FFmpeg sees moving pictures in a file, whatever it is called."""
    import av

    try:
        if _is_animation(path, path.name):
            return False  # a picture, or an animation that says so by its suffix
        with av.open(_url(path)) as container:
            form = container.format.name
            if "image2" in form or form.endswith("_pipe") or form in ("tty", "txd"):
                return False
            covers = av.stream.Disposition.attached_pic
            return any(not stream.disposition & covers for stream in container.streams.video)
    except (av.FFmpegError, InputError, OSError, ValueError):
        return False


# -- films -----------------------------------------------------------------------------------------


class _Film:
    """A video that FFmpeg reads."""

    def __init__(self, container: Any, name: str) -> None:
        self.name = name
        self._container = container
        self._stream = container.streams.video[0]
        self._stream.thread_type = "NONE"
        self._base = float(self._stream.time_base or 0) or 1 / 90_000
        self._colours: Colours | None = None

    def rate(self) -> float | None:
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else None

    def duration(self) -> float:
        """As the stream's header says; where it is silent, as the packets say.

        The container's own figure counts from zero, whenever the pictures begin, and a recording
        that was never closed has none.
        """
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration) * float(stream.time_base)
        first, last, step = None, 0, 0
        for packet in self._container.demux(stream):
            if packet.pts is None:
                continue
            first = packet.pts if first is None else min(first, packet.pts)
            if packet.pts >= last:
                last, step = packet.pts, packet.duration or 0
        self._container.seek(0)
        if first is None:
            return 0.0
        length: float = (last - first + step) * self._base
        return length if step else length + 1 / (self.rate() or 25.0)

    def frames(self, start: float = 0.0) -> Iterator[Shown]:
        from av import FFmpegError

        origin = self._origin()
        if start > 0:
            target = int((start + origin) / self._base)
            try:
                self._container.seek(target, stream=self._stream, backward=True)
            except FFmpegError:
                self._container.seek(0)
        decoded = self._decoded(origin)
        first = next(decoded, None)
        if start > 0 and (first is None or first.at > start + 1e-4):
            # No index, or one that leads too far: everything is decoded from the beginning.
            self._container.seek(0)
            decoded = self._decoded(origin)
            first = next(decoded, None)
        if first is not None:
            yield first
            yield from decoded

    def _origin(self) -> float:
        return float(self._stream.start_time or 0) * self._base

    def _decoded(self, origin: float) -> Iterator[Shown]:
        step = 1 / (self.rate() or 25.0)
        following, damaged = 0.0, False
        for frame in self._container.decode(self._stream):
            at = following if frame.pts is None else float(frame.pts) * self._base - origin
            # What is built on a damaged frame is damaged too, though only the first is flagged.
            damaged = frame.is_corrupt or (damaged and not frame.key_frame)
            yield Shown(at, self._pixels(frame), damaged)
            following = at + step

    def _pixels(self, frame: Any) -> Pixels:
        if int(frame.color_trc) in HDR or int(frame.color_primaries) == BT2020:
            self._colours = self._colours or Colours(frame, self.name)
            frame, matrix = self._colours.on_screen(frame), display_matrix(frame)
        else:
            matrix = display_matrix(frame)
        check_area(frame.width, frame.height, f"The video {self.name!r}")
        width = self._square_width(frame.width)
        check_area(width, frame.height, f"The video {self.name!r}")
        clear = any(component.is_alpha for component in frame.format.components)
        form = "rgba" if clear else "rgb24"
        pixels = frame.to_ndarray(format=form, width=width, interpolation=FULL_CHROMA)
        return turned(_on_white(pixels) if clear else pixels, matrix, self.name)

    def _square_width(self, width: int) -> int:
        """The width at which pixels are square."""
        aspect = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        if not aspect or aspect == 1:
            return width
        if not 1 / MOST_STRETCH <= aspect <= MOST_STRETCH:
            raise InputError(
                f"The video {self.name!r} says that its pixels are {float(aspect):.4g} times as "
                "wide as high, which no screen shows; correct its pixel aspect."
            )
        return max(1, round(width * float(aspect)))


# -- animations ------------------------------------------------------------------------------------


class _Animation:
    """A GIF, WebP or PNG animation that Pillow reads."""

    def __init__(self, image: Image.Image, name: str) -> None:
        self.name = name
        self._image = image
        self._length = 0.0

    def rate(self) -> float | None:
        return None

    def duration(self) -> float:
        return sum(duration for _, duration in self.pictures()) / 1000.0

    def frames(self, start: float = 0.0) -> Iterator[Shown]:
        at = 0.0
        for pixels, duration in self.pictures():
            if (at + duration) / 1000.0 > start + 1e-4:
                yield Shown(at / 1000.0, pixels)
            at += duration

    def pictures(self) -> Iterator[tuple[Pixels, int]]:
        """Each picture on white, and the milliseconds that it is shown."""
        try:
            for index in range(getattr(self._image, "n_frames", 1)):
                self._image.seek(index)
                pixels = _on_white(np.asarray(self._image.convert("RGBA")))
                duration = round(float(self._image.info.get("duration") or 0))
                if self._image.format == "GIF" and duration <= 10:
                    duration = BROWSER_DURATION
                yield pixels, max(1, duration)
        except InputError:
            raise
        except Exception as error:  # whatever a decoder of damaged data raises
            raise InputError(f"The video {self.name!r} cannot be read: {error}.") from None


@contextmanager
def _animation(video: str | Path | bytes, name: str) -> Iterator[_Animation]:
    with open_picture(video, f"The video {name!r}") as image:
        yield _Animation(image, name)


def _on_white(pixels: Pixels) -> Pixels:
    """RGBA on white, as a photo lies."""
    opacity = pixels[..., 3:].astype(np.uint16)
    if opacity.min() == 255:
        return np.ascontiguousarray(pixels[..., :3])
    mixed = pixels[..., :3] * opacity + np.uint16(255) * (255 - opacity)
    return ((mixed + 127) // 255).astype(np.uint8)


# -- all of it -------------------------------------------------------------------------------------


def read_frames(video: str | Path | bytes, name: str = "") -> tuple[Pixels, float]:
    """Every frame ``(T, H, W, 3)`` and the frame rate.

    Frames of varying duration come as if the rate were constant; where a picture of an animation
    lasts longer than the shortest one, it is repeated.

    Raises:
        InputError: it cannot be read, or holds damaged frames.
    """
    with opened(video, name) as source:
        if isinstance(source, _Animation):
            return _repeated(source)
        shown: list[tuple[float, Pixels]] = []
        size = 0
        for frame in source.frames():
            if frame.damaged:
                raise damaged_at(source.name, frame.at)
            size += frame.pixels.size
            _check_bytes(source.name, size, len(shown) + 1, frame.pixels)
            shown.append((frame.at, frame.pixels))
        if not shown:
            raise InputError(f"The video {source.name!r} holds no pictures.")
        said = source.rate()
    length = shown[-1][0] - shown[0][0]
    measured = (len(shown) - 1) / length if length > 0 else None
    if said is None or (measured is not None and not 0.5 < said / measured < 2.0):
        said = measured
    return np.stack([pixels for _, pixels in shown]), said or 25.0


#: Bytes that the frames of a video may take which is read as a whole.
MOST_BYTES = 2**32


def _check_bytes(name: str, size: int, count: int, pixels: Pixels) -> None:
    """Refuse a video that memory might not hold, before more of it is decoded.

    Raises:
        InputError: its frames take more than :data:`MOST_BYTES`.
    """
    if size > MOST_BYTES:
        raise InputError(
            f"The video {name!r} has more than {count - 1} frames of "
            f"{pixels.shape[1]}x{pixels.shape[0]} pixels, which is more than fits into "
            f"{MOST_BYTES / 2**30:g} GiB; cut it, or scale it down."
        )


def _repeated(source: _Animation) -> tuple[Pixels, float]:
    frames: list[Pixels] = []
    durations: list[int] = []
    for pixels, duration in source.pictures():
        _check_bytes(source.name, (len(frames) + 1) * pixels.size, len(frames) + 1, pixels)
        frames.append(pixels)
        durations.append(duration)
    shortest = min(durations)
    # Writers merge equal frames into one that lasts longer.
    repeats = [max(1, round(duration / shortest)) for duration in durations]
    if sum(repeats) * frames[0].size > MOST_BYTES:
        raise InputError(
            f"The video {source.name!r} has a picture that lasts {max(durations) / 1000:g} s and "
            f"one that lasts {shortest / 1000:g} s, which makes {sum(repeats)} frames; shorten it."
        )
    rate = 1000.0 * sum(repeats) / sum(durations)
    return np.repeat(np.stack(frames), repeats, axis=0), rate


def damaged_at(name: str, at: float) -> InputError:
    """The error of a frame that the decoder flags."""
    return InputError(
        f"The video {name!r} is damaged at {at:.3g} s: the decoder makes up what is missing there."
    )
