"""How fast clips of 512x320 and 16 frames are read, motion of every pixel included.

The goal is 100 clips per second on two cores: eight times what training on one GPU takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from kinema.clips.clip import Clip, write_shard
from kinema.clips.dataset import ClipDataset, loader, shuffled
from kinema.clips.reduction import reduce_observation
from kinema.signals import Observation

pytest.importorskip("pyarrow")

CLIPS, BATCH, BATCHES = 16, 8, 8


@pytest.fixture(autouse=True)
def one_thread_each() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drifting(number: int) -> Clip:
    random = torch.Generator().manual_seed(number)
    y, x = torch.meshgrid(torch.arange(320.0), torch.arange(512.0), indexing="ij")
    turn = torch.stack([y - 160, 256 - x], -1) * 0.01
    moved = torch.arange(16.0).view(-1, 1, 1, 1) * (turn + torch.rand(2, generator=random))
    seen = torch.ones(16, 320, 512, dtype=torch.bool)
    reduced = reduce_observation(Observation(displacement=moved, visible=seen))
    picture = torch.rand(1, 3, 40, 64, generator=random)
    large = torch.nn.functional.interpolate(picture, scale_factor=8, mode="bilinear")
    return Clip(
        id=f"clip-{number}",
        latents=torch.randn(16, 4, 40, 64, generator=random).half(),
        encodings={"image_embeds": torch.randn(1, 1024, generator=random).half()},
        first_frame=(large[0] * 255).byte(),
        displacement=reduced.displacement,
        visible=reduced.visible,
        fps=8.0,
        motion_length=1.0,
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    folder = tmp_path_factory.mktemp("clips")
    write_shard(folder / "a.parquet", map(drifting, range(CLIPS)), {"backbone": "svd"})
    return ClipDataset(folder)


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_64_clips(benchmark: BenchmarkFixture, dataset: ClipDataset, workers: int) -> None:
    def load() -> int:
        batches = loader(dataset, batch=BATCH, seed=0, stop=BATCHES, workers=workers)
        return sum(len(batch.observations) for batch in batches)

    assert benchmark(load) == BATCH * BATCHES


def test_opening_100_shards(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    first = write_shard(tmp_path / "000.parquet", map(drifting, range(8)), {"backbone": "svd"})
    for number in range(1, 100):
        (tmp_path / f"{number:03d}.parquet").hardlink_to(first)
    assert len(benchmark(ClipDataset, tmp_path)) == 800


def test_resuming_in_the_middle_of_a_billion_clips(benchmark: BenchmarkFixture) -> None:
    assert 0 <= benchmark(shuffled, 10**12 + 12345, 10**9, 0) < 10**9
