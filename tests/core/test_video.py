from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pytest
from PIL import Image

from kinema.errors import InputError, KinemaError
from kinema.files import sha256_of_file
from kinema.media.containers import LARGE
from kinema.media.manifest import Manifest
from kinema.media.video import Video, check_bound, check_output, manifest_path

Frames = np.ndarray[Any, Any]


def clip(frames: int = 5, width: int = 64, height: int = 48) -> Frames:
    """Smooth colours that move, so that codecs can show them faithfully."""
    t, y, x = np.mgrid[0:frames, 0:height, 0:width].astype(float)
    channels = [x * 255 / width, y * 255 / height, 128 + 100 * np.sin((x + 3 * t) / 9)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def manifest() -> Manifest:
    return Manifest(
        offers={}, sample={}, motion={}, photo={}, size=(64, 48), frames=2, fps=8.0, seed=0
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["frames", "shot_%d.png", "%03d.png", "in.folder/%04d.png"])
def test_png_frames_come_back_exactly_with_their_rate(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.folder").mkdir()
    path = Video(clip(12), 29.97).save(tmp_path / name)
    back = Video.load(path)
    assert np.array_equal(back.frames, clip(12))
    assert back.fps == 29.97
    assert Video.load(path, fps=4).fps == 4


@pytest.mark.parametrize(
    ("name", "mean"), [("a.mp4", 3.0), ("a.webm", 2.0), ("a.webp", 3.0), ("a.gif", 14.0)]
)
@pytest.mark.parametrize("fps", [8.0, 24.0])
def test_lossy_files_come_back_close(name: str, mean: float, fps: float, tmp_path: Path) -> None:
    back = Video.load(Video(clip(6), fps).save(tmp_path / name))
    assert back.frames.shape == clip(6).shape
    assert np.abs(back.frames.astype(int) - clip(6)).mean() < mean
    assert back.fps == pytest.approx(fps, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_large_frames_come_back_as_close_as_small_ones(name: str, tmp_path: Path) -> None:
    """Beyond a size they are encoded otherwise, with fewer frames in memory."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (160, 240, 3), dtype=np.uint8))
    still = np.array(coarse.resize((2400, 1800), Image.Resampling.BICUBIC))
    frames = np.stack([np.roll(still, 12 * t, axis=1) for t in range(4)])
    errors = []
    for part in (slice(None), slice(0, 1700)):  # beyond LARGE, and below
        given = np.ascontiguousarray(frames[:, part])
        Video(given, 8.0).save(tmp_path / name)
        read = Video.load(tmp_path / name).frames
        assert read.shape == given.shape
        errors.append(np.abs(read.astype(np.int16) - given).mean())
    assert given[0, ..., 0].size < LARGE < still[..., 0].size
    assert errors[0] < 1.1 * errors[1]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_saturated_colours_keep_their_matrix(name: str, tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (250, 200, 30)]
    frames = np.repeat(np.array(colours, np.uint8), 16, axis=0)[None, None].repeat(32, axis=1)
    back = Video.load(Video(frames.repeat(3, axis=0), 8).save(tmp_path / name))
    for index, colour in enumerate(colours):
        assert back.frames[1, 16, 16 * index + 8].tolist() == pytest.approx(colour, abs=4)


def test_the_file_says_its_codec_pixels_and_colours(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "h264"), ("a.webm", "vp9")):
        with av.open(str(Video(clip(), 8).save(tmp_path / name))) as container:
            context = container.streams.video[0].codec_context
            assert context.name.endswith(codec.removeprefix("lib"))
            assert context.pix_fmt == "yuv420p"
            assert context.colorspace == 1  # BT.709


@pytest.mark.parametrize(
    ("fps", "rate"), [(29.97, Fraction(2997, 100)), (30000 / 1001, Fraction(30000, 1001))]
)
def test_fractional_rates_are_written_as_fractions(
    fps: float, rate: Fraction, tmp_path: Path
) -> None:
    path = Video(clip(), fps).save(tmp_path / "a.mp4")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate


def test_mp4_repeats_the_last_column_and_row_of_odd_sizes(tmp_path: Path) -> None:
    frames = clip(3, 63, 47)
    back = Video.load(Video(frames, 8).save(tmp_path / "a.mp4"))
    assert back.size == (64, 48)
    assert np.abs(back.frames[:, :47, :63].astype(int) - frames).mean() < 3
    assert np.abs(back.frames[:, :47, 63].astype(int) - frames[:, :, 62]).mean() < 6


def test_webm_keeps_odd_sizes(tmp_path: Path) -> None:
    assert Video.load(Video(clip(3, 63, 47), 8).save(tmp_path / "a.webm")).size == (63, 47)


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_equal_frames_keep_their_time(name: str, tmp_path: Path) -> None:
    frames = clip(6, 32, 32)
    frames[2] = frames[3] = frames[1]
    back = Video.load(Video(frames, 10).save(tmp_path / name))
    assert len(back.frames) == 6
    assert back.fps == pytest.approx(10)


def test_a_gif_does_not_flicker_where_nothing_moves(tmp_path: Path) -> None:
    frames = clip(1).repeat(4, axis=0)
    frames[:, 5:15, 5:15] = np.arange(4, dtype=np.uint8)[:, None, None, None] * 60
    back = Video.load(Video(frames, 8).save(tmp_path / "a.gif")).frames
    still = np.ones((48, 64), bool)
    still[5:15, 5:15] = False
    assert np.array_equal(back[1][still], back[3][still])
    assert (back[1][~still] != back[3][~still]).any(axis=-1).all()


def test_gif_time_does_not_drift(tmp_path: Path) -> None:
    path = Video(np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8), 30).save(
        tmp_path / "a.gif"
    )
    with Image.open(path) as image:
        durations = []
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            durations.append(image.info["duration"])
    assert sum(durations) == 1000
    assert set(durations) == {30, 40}


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.webm", "a.gif", "a.webp", "frames"):
        path = Video(clip(1), 8).save(tmp_path / name)
        assert Video.load(path, fps=8).frames.shape == clip(1).shape


def test_a_phone_video_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.options = {"crf": "10"}
        picture = np.zeros((32, 64, 3), np.uint8)
        picture[:, :16] = 255  # the left end
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    upright = b"\0\x01\0\0" + b"\0" * 12 + b"\0\x01\0\0" + b"\0" * 12 + b"\x40\0\0\0"
    turned = (
        b"\0\0\0\0\0\x01\0\0\0\0\0\0\xff\xff\0\0" + b"\0" * 16 + b"\x40\0\0\0"
    )  # 90 degrees clockwise
    assert content.count(upright) == 2
    at = content.rindex(upright)
    path.write_bytes(content[:at] + turned + content[at + len(upright) :])
    frames = Video.load(path).frames
    assert frames.shape[1:3] == (64, 32)
    assert frames[0, :12].mean() > 200
    assert frames[0, 24:].mean() < 50


# -- the manifest beside it -----------------------------------------------------------------------


def test_the_manifest_is_written_beside_the_video_with_its_hash(tmp_path: Path) -> None:
    video = Video(clip(2), 8, manifest())
    video.save(tmp_path / "out.mp4")
    video.save(tmp_path / "still.gif", manifest=False)
    assert names(tmp_path) == ["out.mp4", "out.mp4.manifest.json", "still.gif"]
    record = Manifest.load(tmp_path / "out.mp4.manifest.json")
    assert record.output_sha256 == sha256_of_file(tmp_path / "out.mp4")


NAMES = ("same.mp4", "same.gif", "same", "100%.mp4", "50%d off.mp4", "a:b.mp4", "same%03d.png")


def test_no_two_outputs_share_a_manifest(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES, 1):
        Video(clip(number), 8, attrs.evolve(manifest(), seed=number)).save(tmp_path / name)
        assert len(Video.load(tmp_path / name).frames) == number
    records = {Manifest.load(manifest_path(tmp_path / name)).seed for name in NAMES}
    assert records == set(range(1, len(NAMES) + 1))


@pytest.mark.parametrize("name", ["out.mp4", "out", "out%02d.png"])
def test_a_manifest_of_another_output_is_refused(tmp_path: Path, name: str) -> None:
    target = Video(clip(2), 8, manifest()).save(tmp_path / name)
    beside = manifest_path(target)
    check_bound(beside)
    record = beside.read_bytes()
    Video(clip(3), 8).save(target)
    assert not beside.exists()
    beside.write_bytes(record)
    with pytest.raises(InputError, match=r"is not that of .* which was replaced or changed"):
        check_bound(beside)


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"the photo")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    made_of = attrs.evolve(manifest(), photo={"path": str(tmp_path / "a.mp4"), "sha256": ""})
    for name in ("a.mp4", "link.mp4"):
        with pytest.raises(InputError, match=r"is the input .*, which it would destroy"):
            Video(clip(1), 8, made_of).save(tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == b"the photo"


# -- never half a file, never someone else's ------------------------------------------------------


def test_a_failed_write_keeps_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Video(clip(2), 8).save(tmp_path / "a.webp")
    before = path.read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(KinemaError, match=r"Writing '.*a\.webp' failed: .*No space left on device"):
        Video(clip(3), 8).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.webp"]


def test_a_codec_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise av.FFmpegError(1, "the codec said no")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(KinemaError, match=r"Writing '.*a\.mp4' failed: the codec said no\."):
        Video(clip(3), 8).save(tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_frames_is_replaced_whole(tmp_path: Path) -> None:
    Video(clip(5), 8).save(tmp_path / "frames")
    Video(clip(3), 8).save(tmp_path / "frames")
    assert len(Video.load(tmp_path / "frames").frames) == 3


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"photos' exists and holds something else than frames;"):
        Video(clip(2), 8).save(tmp_path / "photos")
    assert (tmp_path / "photos" / "holiday.jpg").exists()


def test_frames_of_a_longer_clip_are_not_mixed_in(tmp_path: Path) -> None:
    Video(clip(5), 8).save(tmp_path / "%03d.png")
    with pytest.raises(
        InputError, match=r"Frames of a longer clip are in the way, such as '.*003\.png'; remove"
    ):
        Video(clip(3), 8).save(tmp_path / "%03d.png")


def test_a_missing_frame_is_named(tmp_path: Path) -> None:
    Video(clip(5), 8).save(tmp_path / "%03d.png")
    (tmp_path / "002.png").unlink()
    with pytest.raises(InputError, match=r"The frames '.*%03d\.png' lack number 2\."):
        Video.load(tmp_path / "%03d.png")


# -- bad input ------------------------------------------------------------------------------------

OUTPUTS = {
    "a.avi2": r"Unknown video suffix '\.avi2' of '.*a\.avi2'\. Use \.mp4, \.webm, \.gif, \.webp, ",
    "a.mov": r"Videos are not written as '\.mov'\. Use \.mp4, \.webm, \.gif, \.webp, a folder,",
    "a.png": r"'.*a\.png' names one picture; PNG frames need one number in the name, as in",
    "%d_%d.png": r"names one picture; PNG frames need one number",
    "absent/a.mp4": r"Cannot write '.*absent/a\.mp4': the folder '.*absent' does not exist\.",
    "taken.mp4": r"Cannot write '.*taken\.mp4': a folder has that name\.",
    "file": r"'.*file' exists and holds something else than frames; choose another name",
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_bad_outputs_are_named_before_anything_is_made(name: str, tmp_path: Path) -> None:
    (tmp_path / "taken.mp4").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=OUTPUTS[name]):
        check_output(tmp_path / name)
    with pytest.raises(InputError, match=OUTPUTS[name]):
        Video(clip(2), 8).save(tmp_path / name)


def test_a_gif_has_a_fastest_rate(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"A GIF shows at most 50 frames per second, got 60; use"):
        Video(clip(2), 60).save(tmp_path / "a.gif")


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "text.gif").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "plain").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "plain" / "1.png")
    (tmp_path / "mixed").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "mixed" / "1.png")
    Image.new("RGB", (4, 5)).save(tmp_path / "mixed" / "2.png")
    cases = {
        "absent.mp4": r"The video '.*absent\.mp4' does not exist\.",
        "absent.gif": r"The video '.*absent\.gif' does not exist\.",
        "absent": r"The video '.*absent' does not exist\.",
        "text.mp4": r"The video '.*text\.mp4' cannot be read: Invalid data found",
        "text.gif": r"The video '.*text\.gif' cannot be read: ",
        "text.xyz": r"Unknown video suffix '\.xyz'",
        "empty": r"There are no PNG frames at '.*empty'\.",
        "%03d.png": r"There are no PNG frames at '.*%03d\.png'\.",
        "plain": r"'.*plain' does not say its frame rate; give fps\.",
        "mixed": r"The frame '.*2\.png' is \(4, 5\), the ones before it \(4, 4\)\.",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            Video.load(tmp_path / name)
    assert Video.load(tmp_path / "plain", fps=8).frames.shape == (1, 4, 4, 3)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 4, 4, 3)),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 3, 4, 4), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
    ],
)
def test_frames_of_another_form_are_named(frames: Frames) -> None:
    with pytest.raises(
        InputError, match=r"A Video's frames must be uint8 \(T, H, W, 3\) RGB, got "
    ):
        Video(frames, 8)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_named(fps: float) -> None:
    with pytest.raises(InputError, match=r"A Video's fps must be a positive number, got "):
        Video(clip(2), fps)


def test_the_repr_does_not_print_the_frames() -> None:
    assert repr(Video(clip(2), 8)) == "Video(frames=<(2, 48, 64, 3)>, fps=8.0)"
