"""The clip sources: which stretch of which video, and what speaks against it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from kinema.errors import InputError
from kinema.interfaces import ClipForm, ClipSource
from kinema.media.video import Video
from kinema.offers import CLIP_SOURCE
from kinema.plugins import Plugins
from kinema.testing import ClipSourceContract
from kinema_apps.sources.configs import MotionProFolderConfig, VideosConfig, WebDatasetConfig
from kinema_apps.sources.decoding import colour_changes
from kinema_apps.sources.motionpro_folder import MotionProFolderSource
from kinema_apps.sources.videos import VideosSource
from kinema_apps.sources.webdataset import WebDatasetSource

FORM = ClipForm(size=(48, 32), frames=4, fps=8.0)


def scene(seed: int, frames: int, fps: float = 8.0, size: tuple[int, int] = (96, 64)) -> Video:
    """A coloured picture that slides; frame t has a bright column at x = 4 t."""
    rng = np.random.default_rng(seed)
    darkest = 120 if seed % 2 else 30
    tiny = rng.integers(darkest, darkest + 80, (3, 4, 3), dtype=np.uint8)
    wide = Image.fromarray(tiny).resize((size[0] + frames, size[1]), Image.Resampling.BICUBIC)
    picture = np.asarray(wide)
    shown = np.stack([picture[:, t : t + size[0]] for t in range(frames)])
    for t in range(frames):
        shown[t, :, 4 * t : 4 * t + 4] = 255
    return Video(shown, fps)


def joined(*videos: Video) -> Video:
    return Video(np.concatenate([video.frames for video in videos]), videos[0].fps)


def bright_column(frame: torch.Tensor) -> int:
    """Which frame of :func:`scene` this is, from the column that is white."""
    columns = frame.float().mean(dim=(0, 2))
    return round((int(columns.argmax()) * 2 + 0.5 - 1.5) / 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "videos"
    (made / "sub").mkdir(parents=True)
    return made


def test_it_offers_the_forms_in_which_people_have_videos() -> None:
    own = {
        item.offer.name
        for item in Plugins.installed().all(CLIP_SOURCE)
        if item.source.distribution == "kinema-apps"
    }
    assert own == {"videos", "motionpro-folder", "webdataset"}


def test_videos_are_cut_into_neighbouring_clips(folder: Path) -> None:
    scene(0, 10).save(folder / "b.mp4", manifest=False)
    scene(1, 16, fps=16.0).save(folder / "sub" / "a.webm", manifest=False)
    (folder / "b.txt").write_text("A slide.\n")
    (folder / "notes.pdf").touch()
    source = VideosSource(VideosConfig(folder=str(folder), licence="CC0-1.0"))
    assert isinstance(source, ClipSource)
    items = source.items(FORM)
    # 10 frames hold two clips of 4; at 16 frames a second, every second frame is taken.
    assert [item.key for item in items] == [
        "b.mp4@0",
        "b.mp4@0.5",
        "sub/a.webm@0",
        "sub/a.webm@0.5",
    ]
    first, second = (source.read(item, FORM) for item in items[:2])
    assert [bright_column(frame) for frame in first.frames] == [0, 1, 2, 3]
    assert [bright_column(frame) for frame in second.frames] == [4, 5, 6, 7]
    assert tuple(first.frames.shape) == (4, 32, 48, 3)
    assert (first.caption, first.licence, first.source) == ("A slide.", "CC0-1.0", "b.mp4 at 0 s")
    assert len(first.source_sha256) == 64
    faster = source.read(items[2], FORM)
    assert [bright_column(frame) for frame in faster.frames] == [0, 2, 4, 6]


def test_a_clip_is_resized_to_cover_and_cropped_at_the_centre(folder: Path) -> None:
    frames: NDArray[np.uint8] = np.zeros((4, 64, 128, 3), np.uint8)
    frames[:, :, 16:112] = 200  # what a 3:2 clip keeps of 2:1
    Video(frames, 8.0).save(folder / "wide.mp4", manifest=False)
    source = VideosSource(VideosConfig(folder=str(folder), cut=1.0))
    [item] = source.items(FORM)
    clip = source.read(item, FORM)
    assert int(clip.frames[0, 16, 2:-2].min()) > 185


def test_a_broken_video_is_one_clip_that_cannot_be_read(folder: Path) -> None:
    (folder / "broken.mp4").write_bytes(b"no video at all")
    scene(0, 4).save(folder / "whole.mp4", manifest=False)
    data = (folder / "whole.mp4").read_bytes()
    (folder / "half.mp4").write_bytes(data[: len(data) // 2])
    scene(0, 2).save(folder / "short.mp4", manifest=False)
    source = VideosSource(VideosConfig(folder=str(folder)))
    items = {item.key: item for item in source.items(FORM)}
    assert sorted(items) == ["broken.mp4@0", "half.mp4@0", "short.mp4@0", "whole.mp4@0"]
    source.read(items["whole.mp4@0"], FORM)
    with pytest.raises(InputError, match=r"^The video 'broken\.mp4' cannot be read: Invalid data"):
        source.read(items["broken.mp4@0"], FORM)
    with pytest.raises(InputError, match=r"^The video 'half\.mp4' "):
        source.read(items["half.mp4@0"], FORM)
    with pytest.raises(
        InputError,
        match=r"^The video 'short\.mp4' ends within the clip at 0 s: 2 of 4 frames are there\.$",
    ):
        source.read(items["short.mp4@0"], FORM)


def test_a_scene_cut_speaks_against_a_clip(folder: Path) -> None:
    joined(scene(0, 6), scene(5, 6)).save(folder / "cut.mp4", manifest=False)
    source = VideosSource(VideosConfig(folder=str(folder)))
    faults = [source.read(item, FORM).fault for item in source.items(FORM)]
    assert faults == ["", "scene cut", ""]
    blind = VideosSource(VideosConfig(folder=str(folder), cut=1.0))
    assert blind.read(blind.items(FORM)[1], FORM).fault == ""


def test_motion_changes_colours_less_than_a_cut_does() -> None:
    slide = torch.from_numpy(scene(0, 8).frames)
    cut = torch.stack([slide[0], torch.from_numpy(scene(5, 1).frames)[0]])
    assert colour_changes(slide).max() < 0.15
    assert colour_changes(cut).min() > 0.4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: VideosSource(VideosConfig()), r"^The clip source 'videos' needs a folder: "),
        (lambda p: VideosSource(VideosConfig(folder="gone")), r"^There is no folder 'gone' for "),
        (lambda p: VideosSource(VideosConfig(folder=p)).items(FORM), r"holds no video \(\.mp4, "),
        (lambda p: WebDatasetSource(WebDatasetConfig(folder=p)).items(FORM), r"holds no \.tar "),
        (
            lambda p: MotionProFolderSource(MotionProFolderConfig(folder=p)).items(FORM),
            r"^No sub-folder of .* holds a video\.mp4, as MotionPro's clips do\.$",
        ),
        (lambda p: VideosConfig(cut=0), r"^The option cut of 'videos' must be within \(0, 1\]"),
    ],
)
def test_nothing_to_read_is_named(make: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        make(str(tmp_path))  # type: ignore[operator]


# -- WebDataset ------------------------------------------------------------------------------------


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def test_tars_are_read_without_unpacking_them(tmp_path: Path, folder: Path) -> None:
    scene(0, 4).save(tmp_path / "clip.mp4", manifest=False)
    video = (tmp_path / "clip.mp4").read_bytes()
    with tarfile.open(folder / "00000.tar", "w") as archive:
        add(archive, "0001.mp4", video)
        add(archive, "0001.json", json.dumps({"caption": "Sliding."}).encode())
        add(archive, "../../etc/0002.mp4", video)
        add(archive, "../../etc/0002.txt", b"Sliding off.")
        add(archive, "0003.mp4", b"damaged")
        add(archive, "0003.json", b"{")
        link = tarfile.TarInfo("0004.mp4")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    source = WebDatasetSource(WebDatasetConfig(folder=str(folder)))
    items = source.items(FORM)
    assert [item.key for item in items] == [
        "00000.tar/0001.mp4",
        "00000.tar/../../etc/0002.mp4",
        "00000.tar/0003.mp4",
    ]
    clips = [source.read(item, FORM) for item in items[:2]]
    assert [clip.caption for clip in clips] == ["Sliding.", "Sliding off."]
    assert [bright_column(frame) for frame in clips[0].frames] == [0, 1, 2, 3]
    with pytest.raises(InputError, match=r"^The video '00000\.tar/0003\.mp4' cannot be read: "):
        source.read(items[2], FORM)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tar_that_is_none_is_named(folder: Path) -> None:
    (folder / "a.tar").write_bytes(b"x" * 2000)
    source = WebDatasetSource(WebDatasetConfig(folder=str(folder)))
    [item] = source.items(FORM)
    assert item.key == "a.tar"
    with pytest.raises(InputError, match=r"^The tar '.*a\.tar' cannot be read: "):
        source.read(item, FORM)


# -- MotionPro's folders ---------------------------------------------------------------------------


def motionpro(folder: Path, size: tuple[int, int], one_file: bool) -> None:
    """A clip whose every pixel moves by (2, 1) a frame, its upper half covered from frame 2 on."""
    clip = folder / "1066674877"
    clip.mkdir()
    scene(0, 4, size=size).save(clip / "video.mp4", manifest=False)
    flow = np.ones((3, size[1], size[0], 2), np.float32) * np.array([2, 1], np.float32)
    flow *= np.arange(1, 4, dtype=np.float32)[:, None, None, None]
    if one_file:
        np.save(clip / "flow.npy", flow)
    for t in range(3):
        mask = np.full((size[1], size[0]), 255, np.uint8)
        mask[: size[1] // 2] = 255 if t == 0 else 0
        Image.fromarray(mask).save(clip / f"visible_mask_{t + 1:02d}.jpg", quality=95)
        if not one_file:
            np.save(clip / f"flow_{t + 1:02d}.npy", flow[t])


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("size", [(48, 32), (192, 64)])
def test_flow_is_cut_to_the_size_with_the_frames(
    folder: Path, one_file: bool, size: tuple[int, int]
) -> None:
    motionpro(folder, size, one_file)
    source = MotionProFolderSource(MotionProFolderConfig(folder=str(folder)))
    [item] = source.items(FORM)
    clip = source.read(item, FORM)
    assert tuple(clip.frames.shape) == (4, 32, 48, 3)
    assert clip.observation is not None
    scale = 32 / size[1]
    for t in range(4):
        expected = torch.tensor([2.0 * t, 1.0 * t]) * scale
        torch.testing.assert_close(
            clip.observation.displacement[t], expected.expand(32, 48, 2), atol=1e-4, rtol=0
        )
    seen = clip.observation.visible
    assert bool(seen[0].all())
    assert bool(seen[1, :14, :40].all())
    assert not bool(seen[2, :14].any())
    assert bool(seen[2, 18:28, :40].all())
    assert not bool(seen[3, :, -1].any())  # it has left the canvas


def test_flow_of_another_shape_is_named(folder: Path) -> None:
    motionpro(folder, (48, 32), True)
    np.save(folder / "1066674877" / "flow.npy", np.zeros((3, 30, 48, 2), np.float32))
    source = MotionProFolderSource(MotionProFolderConfig(folder=str(folder)))
    with pytest.raises(
        InputError, match=r"must be 3 times \(32, 48, 2\); found 3 of \[\(30, 48, 2\)\]\.$"
    ):
        source.read(source.items(FORM)[0], FORM)


# -- what all sources promise ----------------------------------------------------------------------


class TestVideos(ClipSourceContract):
    @pytest.fixture(autouse=True)
    def prepared(self, folder: Path) -> None:
        scene(0, 10).save(folder / "a.mp4", manifest=False)
        scene(1, 6).save(folder / "sub" / "b.mp4", manifest=False)
        self.folder = str(folder)

    def make(self) -> ClipSource:
        return VideosSource(VideosConfig(folder=self.folder))


class TestWebDataset(ClipSourceContract):
    @pytest.fixture(autouse=True)
    def prepared(self, folder: Path, tmp_path: Path) -> None:
        scene(0, 4).save(tmp_path / "clip.mp4", manifest=False)
        with tarfile.open(folder / "00000.tar", "w") as archive:
            add(archive, "0001.mp4", (tmp_path / "clip.mp4").read_bytes())
            add(archive, "0001.txt", b"Sliding.")
        self.folder = str(folder)

    def make(self) -> ClipSource:
        return WebDatasetSource(WebDatasetConfig(folder=self.folder))


class TestMotionProFolder(ClipSourceContract):
    @pytest.fixture(autouse=True)
    def prepared(self, folder: Path) -> None:
        motionpro(folder, (96, 64), one_file=True)
        self.folder = str(folder)

    def make(self) -> ClipSource:
        return MotionProFolderSource(MotionProFolderConfig(folder=self.folder))
