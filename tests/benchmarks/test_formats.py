"""How long reading motion files takes; run with ``pytest tests/benchmarks``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kinema import CameraPath, Motion, Tracks
from kinema.check import check_motion
from kinema.formats import read_motion, write_motion

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

CANVAS = (832, 480)


def tracks(count: int) -> Motion:
    rng = np.random.default_rng(0)
    start = rng.uniform((50, 50), (780, 430), (1, count, 2))
    steps = rng.normal(0.0, 1.0, (81, count, 2)).cumsum(axis=0)
    return Motion(canvas=CANVAS, tracks=Tracks(points=(start + steps - steps[:1]).tolist()))


def camera() -> Motion:
    poses = np.tile(np.eye(4)[:3], (81, 1, 1))
    poses[:, 0, 3] = np.linspace(0.0, 1.0, 81)
    path = CameraPath(world_to_camera=poses, intrinsics=[(700.0, 700.0, 415.5, 239.5)])
    return Motion(canvas=CANVAS, camera=path)


@pytest.mark.parametrize("count", [10, 400])
@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("motion", "m.json"),
        ("wan-move", "x_tracks.npy"),
        ("comfyui-tracks", "t.json"),
        ("comfyui-coords", "c.json"),
    ],
)
def test_reading_81_frames_of_tracks(
    benchmark: BenchmarkFixture, tmp_path: Path, form: str, name: str, count: int
) -> None:
    path = write_motion(tracks(count), tmp_path / name, form)
    motion = benchmark(read_motion, path, format=form, canvas=CANVAS)
    assert motion.tracks is not None
    assert len(motion.tracks.points[0]) == count


@pytest.mark.parametrize(
    ("form", "name"), [("realestate10k", "a.txt"), ("poses-c2w", "a.json"), ("motion", "m.json")]
)
def test_reading_81_poses(
    benchmark: BenchmarkFixture, tmp_path: Path, form: str, name: str
) -> None:
    path = write_motion(camera(), tmp_path / name, form)
    assert benchmark(read_motion, path, format=form, canvas=CANVAS).frames == 81 or form == "motion"


def test_reading_an_mc_bench_item(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    mask = np.zeros((320, 512), dtype=bool)
    mask[50:200, 80:300] = True
    motion = Motion(canvas=(512, 320), drags=[[(100, 100), (140, 110), (200, 90)]], regions=[mask])
    path = write_motion(motion, tmp_path / "item", "mc-bench")
    assert len(benchmark(read_motion, path).regions) == 1


def test_checking_81_frames_of_tracks(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    rows = tracks(100).to_dict()["tracks"]["points"]
    path.write_text(json.dumps({"track_path": rows}))
    assert benchmark(check_motion, path, canvas=CANVAS) == []
