"""Training sets: what is read, in which order, and what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.clips.clip import Clip, schema, write_shard
from kinema.clips.dataset import ClipBatch, ClipDataset, collate, loader, shuffled
from kinema.errors import InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def made(number: int, side: int = 16) -> Clip:
    random = torch.Generator().manual_seed(number)
    moved = torch.zeros(2, side // 4, side // 4, 2)
    moved[1] = number
    return Clip(
        id=f"clip-{number}",
        latents=torch.randn(2, 4, 2, 2, generator=random).half(),
        encodings={"image_embeds": torch.full((1, 8), float(number)).half()},
        first_frame=torch.full((3, side, side), number, dtype=torch.uint8),
        displacement=moved,
        visible=torch.ones(2, side // 4, side // 4, dtype=torch.bool),
        fps=8.0,
        motion_length=float(number),
    )


def fill(folder: Path, *counts: int, **meta: Any) -> Path:
    start = 0
    for shard, count in enumerate(counts):
        clips = [made(number) for number in range(start, start + count)]
        write_shard(folder / f"{shard:05d}.parquet", clips, {"backbone": "tiny", **meta})
        start += count
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    return ClipDataset(fill(tmp_path_factory.mktemp("clips"), 3, 1, 4))


# -- reading -------------------------------------------------------------------------------------


def test_clips_come_in_the_order_of_the_shards(dataset: ClipDataset) -> None:
    assert len(dataset) == 8
    assert [dataset[index].id for index in range(8)] == [f"clip-{n}" for n in range(8)]
    assert torch.equal(dataset[5].latents, made(5).latents)
    assert dataset.meta["backbone"] == "tiny"
    assert dataset.meta["size"] == [16, 16]
    for index in (-1, 8):
        with pytest.raises(IndexError, match=f"Clip {index} of 8"):
            dataset[index]


def test_what_is_each_shards_own_need_not_agree(tmp_path: Path) -> None:
    for number in range(2):
        meta = {"backbone": "tiny", "shard": {"number": number}}
        write_shard(tmp_path / f"{number}.parquet", [made(number)], meta)
    assert "shard" not in ClipDataset(tmp_path).meta


def test_a_dataset_travels_to_other_processes(dataset: ClipDataset) -> None:
    assert pickle.loads(pickle.dumps(dataset))[7].id == "clip-7"


def test_a_shard_written_anew_is_read_anew(tmp_path: Path) -> None:
    folder = fill(tmp_path, 2)
    dataset = ClipDataset(folder)
    assert dataset[0].id == "clip-0"
    write_shard(folder / "00000.parquet", [made(7), made(8)], {"backbone": "tiny"})
    assert dataset[0].id == "clip-7"


def test_batches_hold_what_training_needs(dataset: ClipDataset) -> None:
    batch = collate([dataset[2], dataset[6]])
    assert batch.latents.shape == (2, 2, 4, 2, 2)
    assert batch.latents.dtype == batch.images.dtype == torch.float32
    assert torch.equal(
        batch.encodings["image_embeds"],
        torch.tensor([2.0, 6.0]).half()[:, None, None].expand(2, 1, 8),
    )
    assert batch.images.shape == (2, 3, 16, 16)
    assert float(batch.images[1].mean()) == pytest.approx(6 / 255, abs=2 / 255)
    assert [float(o.displacement[1].mean()) for o in batch.observations] == [2.0, 6.0]
    assert batch.motion_length.tolist() == [2.0, 6.0]
    assert batch.fps.tolist() == [8.0, 8.0]
    assert batch.ids == ("clip-2", "clip-6")
    with pytest.raises(InputError, match="no clip to make a batch of"):
        collate([])


# -- order ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(0, 2**40), st.integers(0, 10**6))
def test_every_epoch_holds_every_clip_once(length: int, seed: int, epoch: int) -> None:
    start = epoch * length
    order = [shuffled(start + position, length, seed) for position in range(length)]
    assert sorted(order) == list(range(length))


def test_the_order_is_fixed_forever() -> None:
    assert [shuffled(p, 8, 0) for p in range(16)] == [
        4,
        3,
        7,
        1,
        5,
        6,
        0,
        2,
        0,
        2,
        4,
        5,
        6,
        1,
        7,
        3,
    ]


def test_orders_differ_and_are_even() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(shuffled(epoch * 100 + p, 100, seed) for p in range(100))

    assert len({order(seed, epoch) for seed in range(10) for epoch in range(10)}) == 100
    first = [shuffled(0, 10, seed) for seed in range(5000)]
    counts = torch.bincount(torch.tensor(first), minlength=10)
    assert int((counts - 500).abs().max()) < 100


def test_a_huge_set_has_an_order_at_once() -> None:
    assert 0 <= shuffled(10**15, 10**12, 3) < 10**12


@pytest.mark.parametrize(("position", "length"), [(0, 0), (-1, 5)])
def test_an_order_of_nothing_is_refused(position: int, length: int) -> None:
    with pytest.raises(InputError, match=f"got {length} and {position}"):
        shuffled(position, length, 0)


# -- loading -------------------------------------------------------------------------------------


def ids(batches: Any) -> list[tuple[str, ...]]:
    return [batch.ids for batch in batches]


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from([(1, 1), (2, 1), (2, 2), (4, 2), (6, 3), (4, 4)]),
    st.integers(0, 5),
    st.integers(0, 3),
    st.integers(0, 2),
)
def test_processes_and_workers_change_nothing(
    dataset: ClipDataset, shape: tuple[int, int], seed: int, first: int, workers: int
) -> None:
    batch, world = shape
    stop = first + 3
    alone = ids(loader(dataset, batch=batch, seed=seed, first=0, stop=stop))
    parts = [
        ids(
            loader(
                dataset,
                batch=batch,
                seed=seed,
                first=first,
                stop=stop,
                rank=rank,
                world=world,
                workers=workers,
            )
        )
        for rank in range(world)
    ]
    together = [sum(slices, ()) for slices in zip(*parts, strict=True)]
    assert together == alone[first:]
    expected = [f"clip-{shuffled(p, len(dataset), seed)}" for p in range(stop * batch)]
    assert [name for names in alone for name in names] == expected


def test_a_loader_without_an_end_goes_on(dataset: ClipDataset) -> None:
    batches = loader(dataset, batch=3, seed=0, workers=2)
    seen = [next(batches) for _ in range(6)]
    assert all(isinstance(batch, ClipBatch) for batch in seen)
    batches.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "change", [{"batch": 0}, {"batch": 3, "world": 2}, {"rank": 1}, {"first": -1}, {"workers": -1}]
)
def test_a_loader_that_cannot_be_is_refused_at_once(
    dataset: ClipDataset, change: dict[str, int]
) -> None:
    with pytest.raises(InputError, match="A loader needs a batch that is a positive multiple"):
        loader(dataset, **{"batch": 2, "seed": 0, **change})


# -- damage --------------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def replaced(path: Path) -> None:
    path.write_text("no Parquet at all, but long enough")


@pytest.mark.parametrize("harm", [truncated, emptied, replaced])
def test_a_broken_shard_is_refused_by_name(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    fill(tmp_path, 2, 2)
    harm(tmp_path / "00001.parquet")
    with pytest.raises(InputError, match=r"The shard '.*00001.parquet' cannot be read: "):
        ClipDataset(tmp_path)


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    path = fill(tmp_path, 2) / "00000.parquet"
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(1).column(1)
    data[column.data_page_offset + column.total_compressed_size - 20] ^= 0xFF
    path.write_bytes(data)
    dataset = ClipDataset(tmp_path)
    assert dataset[0].id == "clip-0"
    for workers in (0, 1):
        with pytest.raises(InputError, match=r"Clip 1 of the shard '.*00000.parquet' is damaged"):
            list(loader(dataset, batch=2, seed=0, stop=1, workers=workers))


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(
        InputError, match=r"other.parquet' is a Parquet file but no shard of kinema"
    ):
        ClipDataset(tmp_path)


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    text = b'{"format": "kinema.clips/2", "meta": {}}'
    table = schema().with_metadata({b"kinema": text}).empty_table()
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"its format is 'kinema.clips/2'"):
        ClipDataset(tmp_path)


def test_a_shard_written_in_one_group_is_refused(tmp_path: Path) -> None:
    path = fill(tmp_path, 2) / "00000.parquet"
    pq.write_table(pq.read_table(path), path)
    with pytest.raises(InputError, match="has 2 rows in 1 row groups"):
        ClipDataset(tmp_path)


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \*.parquet shard"):
        ClipDataset(tmp_path)
    with pytest.raises(InputError, match=r"There is no folder '.*absent' to read clips from"):
        ClipDataset(tmp_path / "absent")


def test_shards_of_two_training_sets_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.parquet", [made(0)], {"backbone": "tiny"})
    write_shard(tmp_path / "b.parquet", [made(1)], {"backbone": "svd"})
    with pytest.raises(
        InputError,
        match=r"'a.parquet' and 'b.parquet' do not belong together: backbone is 'tiny' in one and",
    ):
        ClipDataset(tmp_path)
    write_shard(tmp_path / "b.parquet", [made(1, side=32)], {"backbone": "tiny"})
    with pytest.raises(InputError, match=r"size is \[16, 16\] in one and \[32, 32\] in the other"):
        ClipDataset(tmp_path)


# -- other readers -------------------------------------------------------------------------------


def test_the_datasets_library_reads_shards(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    fill(tmp_path, 2, 1)
    found = datasets.load_dataset(
        "parquet",
        data_files=str(tmp_path / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert found["id"][:] == ["clip-0", "clip-1", "clip-2"]
    assert found[2]["latents"] == made(2).latents.numpy().tobytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # ray warns of its own parts
def test_ray_data_reads_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine takes longer than the half minute that ray waits for itself.
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "150")
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    fill(tmp_path, 2, 1)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        rows = ray.data.read_parquet(str(tmp_path)).take_all()
    finally:
        ray.shutdown()
    assert sorted(row["id"] for row in rows) == ["clip-0", "clip-1", "clip-2"]
