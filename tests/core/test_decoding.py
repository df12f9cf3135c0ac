"""Videos as they are meant to be seen: turned, stretched, coloured, timed, and not made up."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kinema import InputError, Video
from kinema.media.decoding import damaged_at, holds_video, opened

Pixels = NDArray[np.uint8]


def corners(width: int = 64, height: int = 48) -> Pixels:
    """A picture that no turn and no mirror leaves as it is: its quarters have grey levels."""
    pixels: Pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = 40
    pixels[: height // 2, width // 2 :] = 100
    pixels[height // 2 :, : width // 2] = 160
    pixels[height // 2 :, width // 2 :] = 220
    return pixels


def quarters(pixels: Pixels) -> list[int]:
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [round(int(pixels[place].mean()) / 20) * 20 for place in places]


def write(
    target: Any,
    pictures: Any,
    *,
    codec: str = "libx264",
    form: str | None = None,
    source: str = "rgb24",
    pixel_format: str = "yuv420p",
    first: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    colours: dict[str, int] | None = None,
) -> None:
    """A video of pictures at 10 frames per second, the first one shown at frame ``first``."""
    with av.open(target, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=10, options=options or {})
        stream.height, stream.width = getattr(pictures[0], "shape", (48, 64))[:2]
        stream.pix_fmt = pixel_format
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in (colours or {}).items():
            setattr(stream.codec_context, name, value)
        for number, picture in enumerate(pictures):
            if isinstance(picture, av.VideoFrame):
                frame = picture
            else:
                frame = av.VideoFrame.from_ndarray(picture, format=source)
            frame.pts, frame.time_base = first + number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


MATRICES: dict[str, tuple[tuple[float, ...], Callable[[Pixels], Pixels]]] = {
    "as it is": ((1, 0, 0, 1), lambda p: p),
    "mirrored across": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "mirrored down": ((1, 0, 0, -1), lambda p: p[::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "a quarter to the right": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "a quarter to the left": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "transposed": ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
    "transposed and half a turn": ((0, -1, -1, 0), lambda p: np.rot90(p.transpose(1, 0, 2), 2)),
}


def with_matrix(path: Path, matrix: tuple[float, ...]) -> None:
    """Put a display matrix into the track header of an MP4 file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    a, b, c, d = (round(value * 65536) for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize("name", MATRICES)
def test_every_display_matrix_is_followed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.mp4"
    write(str(path), [corners()] * 3)
    matrix, shown = MATRICES[name]
    with_matrix(path, matrix)
    video = Video.load(path)
    expected = shown(corners())
    assert video.frames.shape[1:3] == expected.shape[:2]
    assert quarters(video.frames[1]) == quarters(expected)


def test_a_slanted_picture_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write(str(path), [corners()] * 2)
    with_matrix(path, (0.9, 0.44, -0.44, 0.9))
    with pytest.raises(InputError, match=r"a\.mp4' is to be shown turned by something else than"):
        Video.load(path)


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(2), (128, 48)), (Fraction(8, 9), (57, 48)), (None, (64, 48))]
)
def test_pixels_are_made_square(
    tmp_path: Path, aspect: Fraction | None, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.mp4"
    write(str(path), [corners()] * 2, aspect=aspect)
    video = Video.load(path)
    assert video.size == size
    assert quarters(video.frames[0]) == quarters(corners())


def grey_10(level: float) -> av.VideoFrame:
    """A 10-bit picture of one grey, a share of the range from black to white."""
    frame = av.VideoFrame(64, 48, "yuv420p10le")
    for plane, value in zip(frame.planes, (64 + 876 * level, 512, 512), strict=True):
        width = plane.line_size // 2
        rows: NDArray[np.uint16] = np.full((plane.height, width), round(value), np.uint16)
        plane.update(rows.tobytes())
    return frame


@pytest.mark.parametrize(
    ("transfer", "white", "grey"),
    # The scene's white is 203 cd/m2 (ITU-R BT.2408); a fifth of its light is a middle grey.
    [(16, 0.5807, 0.4159), (18, 0.75, 0.3774)],
    ids=["PQ", "HLG"],
)
def test_hdr_is_shown_as_on_a_standard_screen(
    tmp_path: Path, transfer: int, white: float, grey: float
) -> None:
    path = tmp_path / "a.mkv"
    colours = {"color_primaries": 9, "color_trc": transfer, "colorspace": 9, "color_range": 1}
    frames = [grey_10(level) for level in (0.0, grey, white, 1.0)]
    write(str(path), frames, codec="ffv1", pixel_format="yuv420p10le", colours=colours)
    black, middle, bright, brightest = Video.load(path).frames.mean(axis=(1, 2, 3))
    assert black < 4
    assert 100 < middle < 150
    assert bright > 235
    assert brightest >= bright - 1


class Pipe(io.RawIOBase):
    """Takes what is written, and cannot go back to fill in a header."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def test_a_recording_without_a_duration_is_measured(tmp_path: Path) -> None:
    pipe = Pipe()
    write(pipe, [corners()] * 30, codec="libvpx", form="webm", options={"cpu-used": "8"})
    path = tmp_path / "recording.webm"
    path.write_bytes(pipe.data)
    with av.open(str(path)) as container:
        assert container.duration is None
    for video in (path, bytes(pipe.data)):
        with opened(video) as source:
            assert source.duration() == pytest.approx(3.0, abs=0.02)
            assert len(list(source.frames())) == 30
            assert [frame.at for frame in source.frames(2.5)][-1] == pytest.approx(2.9, abs=0.01)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_time_counts_from_the_first_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"late.{suffix}"
    pictures = [np.full((48, 64, 3), 8 * t, np.uint8) for t in range(30)]
    write(str(path), pictures, first=50, options={"bf": "0", "g": "10"})
    with opened(path) as source:
        assert source.duration() == pytest.approx(3.0, abs=0.11)
        assert next(source.frames()).at == pytest.approx(0.0, abs=0.001)
        shown = [frame for frame in source.frames(2.0) if frame.at > 1.99]
        assert round(float(shown[0].pixels.mean()) / 8) == 20


def test_what_the_decoder_makes_up_is_not_taken(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    pictures = [np.roll(noise, 2 * t, axis=1) for t in range(30)]
    path = tmp_path / "a.mp4"
    write(str(path), pictures, options={"g": "10", "bf": "0", "x264-params": "scenecut=0"})
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, packet.size) for packet in container.demux() if packet.size]
    data = bytearray(path.read_bytes())
    place, size = packets[15]
    data[place + size // 2 : place + size - 4] = b"\xff" * (size - 4 - size // 2)
    path.write_bytes(data)
    with opened(path) as source:
        damaged = [round(10 * frame.at) for frame in source.frames() if frame.damaged]
    # Until the next picture that is built on no other.
    assert damaged == [15, 16, 17, 18, 19]
    with pytest.raises(InputError, match=r"a\.mp4' is damaged at 1\.5 s: the decoder makes up"):
        Video.load(path)
    assert "at 1.5 s" in str(damaged_at("a.mp4", 1.5))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_transparent_parts_lie_on_white_as_in_photos(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{'apng' if form == 'PNG' else form.lower()}"
    clear = Image.new("RGBA", (32, 24), (200, 0, 0, 0))
    blue: Any = (0, 0, 255, 255)
    more: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    if form == "GIF":
        # In colours of a palette: old releases of Pillow choose others for frames of RGBA.
        clear, blue = Image.new("P", (32, 24), 0), 1
        clear.putpalette([200, 0, 0, 0, 0, 255])
        more = {"disposal": 2, "transparency": 0}
    frames = []
    for t in range(3):
        frame = clear.copy()
        frame.paste(blue, (4 * t, 4, 4 * t + 8, 12))
        frames.append(frame)
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=100, **more)
    video = Video.load(path)
    assert video.frames.shape == (3, 24, 32, 3)
    assert video.fps == 10
    for t, pixels in enumerate(video.frames):
        assert pixels[20, 28].tolist() == [255, 255, 255]
        assert pixels[8, 4 * t + 4].tolist() == [0, 0, 255]


def test_a_gif_without_durations_is_as_slow_as_in_browsers(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), (80 * t, 0, 0)) for t in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=0)
    video = Video.load(tmp_path / "a.gif")
    assert (len(video.frames), video.fps) == (3, 10)


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("a.ts", "libx264", None),
        ("a.mpg", "mpeg2video", None),
        ("a.avi", "mpeg4", None),
        ("a.flv", "libx264", None),
        ("a.wmv", "wmv2", "asf"),
        ("take:2.mp4", "libx264", None),
        ("100%.mkv", "libx264", None),
    ],
)
def test_every_container_is_read_whatever_its_name(
    tmp_path: Path, name: str, codec: str, form: str | None
) -> None:
    path = tmp_path / name
    options = {"bf": "0"} if codec == "libx264" else {}
    with path.open("wb") as file:
        write(file, [corners()] * 12, codec=codec, form=form or _form(name), options=options)
    video = Video.load(path)
    assert quarters(video.frames[0]) == quarters(corners())
    assert len(video.frames) == 12
    unnamed = path.rename(tmp_path / "no-suffix")
    assert holds_video(unnamed)


def _form(name: str) -> str:
    suffix = name.rpartition(".")[2]
    return {"ts": "mpegts", "mpg": "mpeg", "mkv": "matroska"}.get(suffix, suffix)


def test_what_is_no_video_is_not_taken_for_one(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "photo", "JPEG")
    Image.new("RGB", (8, 8)).save(tmp_path / "picture", "PNG")
    (tmp_path / "words").write_text("Hello.\n" * 100)
    (tmp_path / "nothing").touch()
    for name in ("photo", "picture", "words", "nothing", "absent"):
        assert not holds_video(tmp_path / name)


def test_more_frames_than_memory_holds_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    monkeypatch.setattr("kinema.media.decoding.MOST_BYTES", 4 * 16 * 16 * 3)
    for name in ("a.gif", "a.mp4"):
        Video(frames, 8.0).save(tmp_path / name)
        with pytest.raises(InputError, match="has more than 4 frames of 16x16 pixels"):
            Video.load(tmp_path / name)


def test_a_numbered_frame_far_away_costs_nothing(tmp_path: Path) -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    Video(frames, 8.0).save(tmp_path / "%d.png")
    (tmp_path / "1.png").rename(tmp_path / "99999999999999.png")
    with pytest.raises(InputError, match="lack number 1"):
        Video.load(tmp_path / "%d.png")
