"""Benchmarks read what others publish, and say what is wrong with each item."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.errors import InputError
from kinema.media.video import Video
from kinema.testing import BenchmarkContract
from kinema_apps.benchmarks import configs
from kinema_apps.benchmarks.camera import CameraBenchmark
from kinema_apps.benchmarks.folder import FolderBenchmark
from kinema_apps.benchmarks.mc_bench import McBench
from kinema_apps.benchmarks.movebench import MoveBench
from kinema_apps.benchmarks.videos import VideosBenchmark

SIZE = (64, 48)


def picture(path: Path, seed: int = 0, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def mc_bench(folder: Path) -> Path:
    for number, (name, spelling) in enumerate(
        (
            ("Fine_grained_control/2", "meta_data.json"),
            ("Fine_grained_control/10", "meta_data_new.json"),
            ("object_control/1", "meta_data.json"),
        )
    ):
        picture(folder / name / "first_frame.png", number)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        mask[10:30, 10:40] = 255
        Image.fromarray(mask).save(folder / name / "first_frame_mask.png")
        points = [[[20, 20], [30, 25]], [[35, 15]]]
        (folder / name / spelling).write_text(json.dumps({"traj_key_points": points}))
    return folder


class TestMcBench(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def data(self, tmp_path: Path) -> None:
        self.folder = mc_bench(tmp_path / "MC-Bench")

    def make(self) -> McBench:
        return McBench(configs.McBenchConfig(folder=str(self.folder)))

    def test_both_spellings_and_both_classes_are_read(self) -> None:
        benchmark = self.make()
        items = benchmark.items()
        assert [(each.key, each.subset) for each in items] == [
            ("Fine_grained_control/2", "fine-grained"),
            ("Fine_grained_control/10", "fine-grained"),
            ("object_control/1", "object-level"),
        ]
        case = benchmark.read(items[1])
        assert [len(drag.points) for drag in case.motion.drags] == [2, 1]
        assert case.motion.regions[0].rasterize(SIZE).sum() == 20 * 30
        assert case.frames == 16

    def test_partial_items_are_listed_and_refused_one_by_one(self) -> None:
        (self.folder / "object_control" / "7").mkdir()
        picture(self.folder / "object_control" / "8" / "first_frame.png")
        benchmark = self.make()
        bad = benchmark.items()[-2:]
        assert [each.key for each in bad] == ["object_control/7", "object_control/8"]
        with pytest.raises(InputError, match=r"first_frame\.png' does not exist"):
            benchmark.read(bad[0])
        with pytest.raises(InputError, match=r"holds neither meta_data\.json nor"):
            benchmark.read(bad[1])


def test_absent_data_is_said_with_its_source_size_licence_and_place(tmp_path: Path) -> None:
    for make, words in (
        (lambda folder: McBench(configs.McBenchConfig(folder=folder)), ("Apache-2.0", "680")),
        (lambda folder: MoveBench(configs.MoveBenchConfig(folder=folder)), ("MIT", "1,018")),
        (
            lambda folder: VideosBenchmark(configs.VideosBenchmarkConfig(folder=folder)),
            ("WebVid-10M",),
        ),
        (
            lambda folder: CameraBenchmark(configs.CameraBenchmarkConfig(folder=folder)),
            ("RealEstate10K",),
        ),
    ):
        with pytest.raises(InputError, match="Nothing is downloaded without you") as found:
            make(str(tmp_path / "absent")).items()
        assert all(word in str(found.value) for word in (*words, "Fetch", "put it so that"))
    with pytest.raises(InputError, match="neither Fine_grained_control nor object_control"):
        McBench(configs.McBenchConfig(folder=str(tmp_path))).items()


class TestFolder(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def data(self, tmp_path: Path) -> None:
        from kinema import Motion

        self.folder = tmp_path / "mine"
        for name in ("a", "sub/b"):
            picture(self.folder / f"{name}.png")
            Motion(canvas=SIZE, drags=[[(5, 5), (9, 9)]]).save(self.folder / f"{name}.json")

    def make(self) -> FolderBenchmark:
        return FolderBenchmark(configs.FolderConfig(folder=str(self.folder)))

    def test_a_motion_of_another_canvas_is_refused(self) -> None:
        picture(self.folder / "a.png", size=(32, 32))
        benchmark = self.make()
        with pytest.raises(InputError, match="is 32x32, and its motion is on a canvas of 64x48"):
            benchmark.read(benchmark.items()[0])


class TestMoveBench(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def data(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "MoveBench"
        base = self.folder / "en"
        for mode, names in (("single", ("cat",)), ("multi", ("dogs",))):
            for name in names:
                picture(base / "first_frame" / f"{name}.png")
                tracks = np.zeros((9, 3, 2)) + np.arange(9)[:, None, None]
                tracks += np.array([[5, 5], [30, 20], [-40, 3]])
                visible = np.ones((9, 3), bool)
                visible[4:, 1] = False
                (base / "track" / mode).mkdir(parents=True, exist_ok=True)
                np.save(base / "track" / mode / f"{name}_tracks.npy", tracks[None])
                np.save(base / "track" / mode / f"{name}_visibility.npy", visible[None])
            lines = "".join(f"{name}.mp4,A {name}, moving.\n" for name in names)
            (base / f"{mode}_track.txt").write_text("# list\n" + lines)

    def make(self) -> MoveBench:
        return MoveBench(configs.MoveBenchConfig(folder=str(self.folder), frames=5))

    def test_tracks_captions_and_subsets_are_read(self) -> None:
        benchmark = self.make()
        items = benchmark.items()
        assert [(each.key, each.subset) for each in items] == [
            ("single/cat", "single-object"),
            ("multi/dogs", "multi-object"),
        ]
        case = benchmark.read(items[0])
        assert case.prompt == "A cat, moving."
        assert case.motion.tracks is not None
        points, visible = case.motion.tracks.arrays()
        # The point outside the photo is left out; of 9 frames every other one is taken.
        assert points[:, 0, 0].tolist() == [5, 7, 9, 11, 13]
        assert visible[:, 1].tolist() == [True, True, False, False, False]
        assert (case.frames, case.fps) == (5, 8.0)
        assert case.truth.known == {"motion"}

    def test_the_real_clip_is_the_truth_where_it_is_there(self) -> None:
        frames = np.random.default_rng(0).integers(0, 256, (9, 48, 64, 3), dtype=np.uint8)
        path = self.folder / "en" / "video" / "cat.mp4"
        path.parent.mkdir()
        Video(frames=frames, fps=16).save(path)
        benchmark = self.make()
        assert benchmark.read(benchmark.items()[0]).truth.known == {"motion", "frames"}

    def test_damaged_tracks_are_refused(self) -> None:
        base = self.folder / "en" / "track" / "single"
        np.save(base / "cat_visibility.npy", np.ones((9, 2), bool))
        benchmark = self.make()
        with pytest.raises(InputError, match=r"are not \(T, N, 2\) and \(T, N\)"):
            benchmark.read(benchmark.items()[0])
        (base / "cat_tracks.npy").write_bytes(b"no array")
        with pytest.raises(InputError, match="cannot be read"):
            benchmark.read(benchmark.items()[0])


POSE = "{t} 0.5 0.8 0.5 0.5 0 0 1 0 0 {x} 0 1 0 0 0 0 1 0\n"


class TestCamera(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def data(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "scenes"
        picture(self.folder / "photos" / "room.png")
        (self.folder / "poses").mkdir()
        lines = "".join(POSE.format(t=t, x=t / 10) for t in range(21))
        (self.folder / "poses" / "side.txt").write_text("https://example.org/video\n" + lines)
        (self.folder / "depth").mkdir()
        np.save(self.folder / "depth" / "room.npy", np.full((48, 64), 3.0))

    def make(self) -> CameraBenchmark:
        return CameraBenchmark(configs.CameraBenchmarkConfig(folder=str(self.folder), frames=5))

    def test_poses_are_spread_evenly_and_the_depth_is_known(self) -> None:
        benchmark = self.make()
        case = benchmark.read(benchmark.items()[0])
        assert case.truth.known == {"camera", "depth"}
        assert case.truth.world_to_camera is not None
        assert case.truth.world_to_camera[:, 0, 3].tolist() == [0, 0.5, 1.0, 1.5, 2.0]
        assert case.truth.intrinsics is not None
        assert case.truth.intrinsics[0, 0, 0] == pytest.approx(32.0)
        assert case.motion.camera is not None

    def test_too_short_a_path_and_a_depth_of_another_size_are_refused(self) -> None:
        long = CameraBenchmark(configs.CameraBenchmarkConfig(folder=str(self.folder), frames=30))
        with pytest.raises(InputError, match="has 21 poses, and the video 30 frames"):
            long.read(long.items()[0])
        np.save(self.folder / "depth" / "room.npy", np.full((4, 4), 3.0))
        benchmark = self.make()
        with pytest.raises(InputError, match="must hold a positive depth for every pixel"):
            benchmark.read(benchmark.items()[0])


@pytest.mark.all_packages
class TestVideos(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def data(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "clips"
        self.folder.mkdir()
        base = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        frame = np.asarray(Image.fromarray(base).resize(SIZE))
        frames = np.stack([np.roll(frame, 2 * t, axis=1) for t in range(8)])
        Video(frames=frames, fps=8).save(self.folder / "slide.mp4")

    def make(self) -> VideosBenchmark:
        return VideosBenchmark(
            configs.VideosBenchmarkConfig(
                folder=str(self.folder), width=64, height=48, frames=4, ratio=0.5
            )
        )

    def test_some_blocks_become_tracks_that_the_real_clip_obeys(self) -> None:
        benchmark = self.make()
        (item,) = benchmark.items()
        assert item.key == "slide"
        case = benchmark.read(item)
        assert case.motion.tracks is not None
        points, _ = case.motion.tracks.arrays()
        moved = points[-1] - points[0]
        assert np.median(moved[:, 0]) == pytest.approx(6.0, abs=1.5)
        assert 1 < points.shape[1] < 48
        assert ((points[0] - 4) % 8 == 0).all()
        assert case.truth.known == {"frames", "motion"}
