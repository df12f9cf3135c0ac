"""One bad item costs its own clips, is named, and never stops the rest."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema_apps.sources.decoding as decoding
from kinema.errors import InputError
from kinema.interfaces import ClipForm, ClipSource
from kinema.media import decoding as reader
from kinema.media.video import Video
from kinema_apps.sources.captions import MOST_TEXT, caption_in, caption_of, printable
from kinema_apps.sources.configs import MotionProFolderConfig, VideosConfig, WebDatasetConfig
from kinema_apps.sources.motionpro_folder import MotionProFolderSource
from kinema_apps.sources.videos import VideosSource
from kinema_apps.sources.webdataset import WebDatasetSource

FORM = ClipForm(size=(48, 32), frames=4, fps=8.0)


def film(frames: int = 8, size: tuple[int, int] = (96, 64)) -> Video:
    rng = np.random.default_rng(0)
    tiny = Image.fromarray(rng.integers(30, 220, (4, 6, 3), dtype=np.uint8))
    wide = np.asarray(tiny.resize((size[0] + 2 * frames, size[1]), Image.Resampling.BICUBIC))
    return Video(np.stack([wide[:, 2 * t : 2 * t + size[0]] for t in range(frames)]), 8.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "films"
    made.mkdir()
    film().save(made / "good.mp4", manifest=False)
    return made


def read_each(source: ClipSource) -> dict[str, str]:
    """What each item gives: its caption, or why not."""
    found = {}
    for item in source.items(FORM):
        try:
            found[item.key] = source.read(item, FORM).caption
        except InputError as error:
            found[item.key] = f"refused: {error}"
    return found


# -- captions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "caption"),
    [
        (b"\xef\xbb\xbfA cup.\n", "A cup."),
        ("Eine Tässe.".encode("utf-16"), "Eine Tässe."),
        ("日本".encode(), "日本"),
        (b"", ""),
    ],
)
def test_captions_in_unicode_are_read(data: bytes, caption: str) -> None:
    assert caption_of(data, "a.txt") == caption


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("Café".encode("latin-1"), "is no text in UTF-8: its byte 3 is 0xe9"),
        (b"\xed\xa0\x80", "is no text in UTF-8: its byte 0 is 0xed"),
        (b"a" * (MOST_TEXT + 1), "at most 1000000 are read"),
    ],
)
def test_captions_that_are_no_text_are_named(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"^The caption 'a.txt' .*{message}"):
        caption_of(data, "a.txt")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b'{"caption": "\\ud800"}', r"half a character \(the lone surrogate U\+D800\)"),
        (b"[" * 100_000, "is nested too deeply to be read"),
        (b"{", "is no JSON"),
        (b"[]", "is a JSON list, not an object"),
        (b'{"caption": ["a", "b"]}', r"its 'caption', is \['a', 'b'\]; it must be text"),
    ],
)
def test_records_that_hold_no_caption_are_named(record: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        caption_in(record, "caption", "a.json")


def test_a_record_without_a_caption_has_none() -> None:
    assert caption_in(b'{"caption": null}', "caption", "a.json") == ""
    assert caption_in(b'{"text": "A cup."}', "text", "a.json") == "A cup."


# -- a folder of videos ----------------------------------------------------------------------------


def test_a_bad_caption_drops_its_own_clips_by_name(folder: Path) -> None:
    for name in ("latin", "long"):
        film().save(folder / f"{name}.mp4", manifest=False)
    (folder / "good.txt").write_bytes(b"\xef\xbb\xbfA slide.")
    (folder / "latin.txt").write_bytes("Café".encode("latin-1"))
    (folder / "long.txt").write_bytes(b"a" * (MOST_TEXT + 1))
    found = read_each(VideosSource(VideosConfig(folder=str(folder), cut=1.0)))
    assert found["good.mp4@0"] == found["good.mp4@0.5"] == "A slide."
    assert "refused: The caption 'latin.txt' is no text in UTF-8" in found["latin.mp4@0"]
    assert "refused: The caption 'long.txt' has 1000001 bytes" in found["long.mp4@0.5"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of text alone")
def test_a_name_that_is_no_utf_8_is_read_and_written_out(folder: Path) -> None:
    os.rename(os.fsencode(folder / "good.mp4"), os.fsencode(folder) + b"/caf\xe9.mp4")
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("A slide.")
    found = read_each(VideosSource(VideosConfig(folder=str(folder), cut=1.0)))
    assert found == {"caf\\xe9.mp4@0": "A slide.", "caf\\xe9.mp4@0.5": "A slide."}
    for key in found:
        key.encode()
    assert printable("plain ü.mp4") == "plain ü.mp4"


def test_videos_of_any_name_are_read_and_the_rest_is_told(folder: Path) -> None:
    data = (folder / "good.mp4").read_bytes()
    for name in ("a", "b.part", "C.MP4", "._d.mp4", "take:2.mp4", "100%.mp4"):
        (folder / name).write_bytes(data)
    (folder / "._good.mp4").write_bytes(b"\x00\x05\x16\x07" + bytes(90))  # as macOS leaves them
    (folder / "._tiny.mp4").write_bytes(b"abc")
    (folder / "thumb.jpg").write_bytes(b"")
    (folder / "program.exe").write_bytes(b"MZ" * 100)
    source = VideosSource(VideosConfig(folder=str(folder), most_per_video=1))
    names = [item.key for item in source.items(FORM)]
    expected = [
        "._d.mp4@0",
        "100%.mp4@0",
        "C.MP4@0",
        "a@0",
        "b.part@0",
        "good.mp4@0",
        "take:2.mp4@0",
    ]
    assert sorted(names) == sorted(expected)
    assert source.notes == ("left aside, for they hold no video: program.exe",)


def test_a_video_that_is_gone_is_not_called_broken(folder: Path) -> None:
    source = VideosSource(VideosConfig(folder=str(folder)))
    [item, *_] = source.items(FORM)
    (folder / "good.mp4").rename(folder / "elsewhere.mp4")
    with pytest.raises(FileNotFoundError):
        source.read(item, FORM)


def test_damage_drops_the_clips_that_it_touches_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(16).save(folder / "good.mp4", manifest=False)
    source = VideosSource(VideosConfig(folder=str(folder), cut=1.0))
    real = reader.opened

    class Damaged:
        def __init__(self, source: Any) -> None:
            self.source = source

        def __getattr__(self, name: str) -> Any:
            return getattr(self.source, name)

        def frames(self, start: float = 0.0) -> Any:
            for shown in self.source.frames(start):
                yield reader.Shown(shown.at, shown.pixels, 0.4 < shown.at < 0.9)

    class Opened:
        def __init__(self, *args: Any) -> None:
            self.manager = real(*args)

        def __enter__(self) -> Any:
            return Damaged(self.manager.__enter__())

        def __exit__(self, *args: Any) -> Any:
            return self.manager.__exit__(*args)

    monkeypatch.setattr(decoding, "opened", Opened)
    found = read_each(source)
    refused = [key for key, what in found.items() if "is damaged at 0.5 s: the decoder" in what]
    assert refused == ["good.mp4@0.5"]
    assert len(found) == 4


# -- tars ------------------------------------------------------------------------------------------


def test_a_bad_member_or_tar_drops_its_own_clips(folder: Path) -> None:
    video = (folder / "good.mp4").read_bytes()
    records = {
        "good": b'{"caption": "A slide."}',
        "surrogate": b'{"caption": "\\udfff"}',
        "deep": b"[" * 100_000,
        "huge": b'"' + b"a" * MOST_TEXT + b'"',
    }
    with tarfile.open(folder / "0.tar", "w") as archive:
        for name, record in records.items():
            for suffix, data in (("mp4", video), ("json", record)):
                member = tarfile.TarInfo(f"{name}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    whole = (folder / "0.tar").read_bytes()
    (folder / "1.tar").write_bytes(b"no tar" * 200)
    header = whole.index(b"deep.mp4")
    (folder / "2.tar").write_bytes(whole[:header] + b"\xff" * 600)
    found = read_each(WebDatasetSource(WebDatasetConfig(folder=str(folder), cut=1.0)))
    assert found["0.tar/good.mp4"] == found["2.tar/good.mp4"] == "A slide."
    assert "lone surrogate U+DFFF" in found["0.tar/surrogate.mp4"]
    assert "nested too deeply" in found["0.tar/deep.mp4"]
    assert "at most 1000000 are read" in found["0.tar/huge.mp4"]
    assert "cannot be read" in found["1.tar"]
    assert "cannot be read" in found["2.tar"]


# -- MotionPro's folders ---------------------------------------------------------------------------


def motionpro(clip: Path, frames: int = 4, size: tuple[int, int] = (48, 32)) -> None:
    clip.mkdir()
    film(frames, size).save(clip / "video.mp4", manifest=False)
    np.save(clip / "flow.npy", np.ones((3, size[1], size[0], 2), np.float32))
    Image.new("L", size, 255).save(clip / "seen.jpg")


def _npz(clip: Path) -> None:
    with (clip / "flow.npy").open("wb") as file:
        np.savez(file, flow=np.ones(3))


def _bomb(clip: Path) -> None:
    Image.new("L", (9000, 9000), 255).save(clip / "seen.jpg")


def _objects(clip: Path) -> None:
    np.save(clip / "flow.npy", np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_npz, "flow.npy' is an .npz archive; save it with numpy.save"),
        (_objects, "flow.npy' is no readable .npy file"),
        (lambda clip: (clip / "flow.npy").write_bytes(b""), "is no readable .npy file"),
        (lambda clip: (clip / "flow.npy").write_bytes(b"\x93NUMPYxx"), "is no readable .npy file"),
        (_bomb, "seen.jpg' is 9000x9000, the upright video 48x32"),
        (
            lambda clip: (clip / "seen.jpg").write_bytes(b"no"),
            "seen.jpg' is no image that can be",
        ),
        (
            lambda clip: np.save(clip / "flow.npy", np.ones((3, 48, 32, 2), np.float32)),
            "has the shape of the video before it is turned upright",
        ),
    ],
)
def test_a_broken_part_drops_its_own_clip(
    folder: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    motionpro(folder / "good")
    motionpro(folder / "spoilt")
    spoil(folder / "spoilt")
    found = read_each(MotionProFolderSource(MotionProFolderConfig(folder=str(folder))))
    assert found["good"] == ""
    assert message in found["spoilt"]


def test_no_more_frames_are_decoded_than_are_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    motionpro(folder / "long", frames=40)
    source = MotionProFolderSource(MotionProFolderConfig(folder=str(folder)))
    made = 0
    real = reader._Film._pixels

    def counted(self: Any, frame: Any) -> Any:
        nonlocal made
        made += 1
        return real(self, frame)

    monkeypatch.setattr(reader._Film, "_pixels", counted)
    source.read(source.items(FORM)[0], FORM)
    assert made == FORM.frames


def test_of_a_long_clip_the_first_flow_and_masks_are_taken(folder: Path) -> None:
    motionpro(folder / "long", frames=40)
    for number in range(39):
        Image.new("L", (48, 32), 255).save(folder / "long" / f"seen-{number:02d}.jpg")
        np.save(
            folder / "long" / f"flow-{number:02d}.npy", np.full((32, 48, 2), number, np.float32)
        )
    for single in ("seen.jpg", "flow.npy"):
        (folder / "long" / single).unlink()
    source = MotionProFolderSource(MotionProFolderConfig(folder=str(folder)))
    observation = source.read(source.items(FORM)[0], FORM).observation
    assert observation is not None
    assert observation.displacement[:, 5, 5, 0].tolist() == [0, 0, 1, 2]


# -- the whole way ---------------------------------------------------------------------------------


@pytest.mark.all_packages
def test_a_preparation_goes_on_and_names_what_it_dropped(
    kinema: Callable[..., Any], folder: Path
) -> None:
    film().save(folder / "latin.mp4", manifest=False)
    (folder / "latin.txt").write_bytes("Café".encode("latin-1"))
    (folder / "notes.bin").write_bytes(b"\x00\x01" * 50)
    words = ("--backbone", "preview", "--size", "48x32", "--frames", "4", "--workers", "1")
    said = kinema("prepare", str(folder), "--out", "clips", *words).stdout
    assert "2 of 4 clips kept" in said
    assert "2 dropped: broken, such as latin.mp4@0: The caption 'latin.txt' is no text" in said
    assert "Note: left aside, for they hold no video: notes.bin." in said
    [record] = Path("clips", "records").glob("*.json")
    dropped = json.loads(record.read_text())["dropped"]
    assert sorted(key for key, _, _ in dropped) == ["latin.mp4@0", "latin.mp4@0.5"]
