"""One clip, one row, one shard."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema.clips.clip import FORMAT, METADATA_KEY, Clip, pack, row_sha256, unpack, write_shard
from kinema.errors import InputError

pq = pytest.importorskip("pyarrow.parquet")


def made(number: int = 0, frames: int = 3, side: int = 16, reduction: int = 4) -> Clip:
    random = torch.Generator().manual_seed(number)
    cells = -(-side // reduction)
    moved = torch.randint(-64, 64, (frames, cells, cells, 2), generator=random) / 32
    moved[0] = 0
    return Clip(
        id=f"clip-{number}",
        latents=torch.randn(frames, 4, 2, 2, generator=random).half(),
        encodings={
            "image_embeds": torch.randn(1, 8, generator=random).half(),
            "pooled": torch.randn(5, generator=random).bfloat16(),
        },
        first_frame=torch.full((3, side, side), 40 + number, dtype=torch.uint8),
        displacement=moved,
        visible=torch.rand(frames, cells, cells, generator=random) > 0.3,
        reduction=reduction,
        fps=8.0,
        motion_length=1.5,
        caption="a cup turns",
        source="videos/cup.mp4@2.0s",
        source_sha256="ab" * 32,
        licence="CC0-1.0",
    )


def assert_same(clip: Clip, other: Clip) -> None:
    for field in attrs.fields(Clip):
        one, two = getattr(clip, field.name), getattr(other, field.name)
        if field.name == "encodings":
            assert one.keys() == two.keys()
            assert all(torch.equal(one[key], two[key]) for key in one)
            assert [one[key].dtype for key in one] == [two[key].dtype for key in one]
        elif field.name == "first_frame":
            assert (one.int() - two.int()).abs().max() <= 3
        elif isinstance(one, torch.Tensor):
            assert torch.equal(one, two)
            assert one.dtype == two.dtype
        else:
            assert one == two


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.integers(2, 5), st.integers(4, 19), st.integers(1, 4))
def test_a_row_gives_the_clip_back(number: int, frames: int, side: int, reduction: int) -> None:
    clip = made(number, frames, side, reduction)
    assert_same(clip, unpack(pack(clip)))


def test_a_row_is_what_the_reference_says() -> None:
    row = pack(made())
    assert Image.open(io.BytesIO(row["first_frame"])).format == "WEBP"
    assert row["latents_shape"] == [3, 4, 2, 2]
    assert len(row["latents"]) == 2 * 3 * 4 * 2 * 2
    assert row["displacement_shape"] == [2, 2, 4, 4]
    assert len(row["displacement"]) == 2 * 2 * 2 * 4 * 4
    assert len(row["visible"]) == 3 * 4 * 4 // 8
    assert (row["width"], row["height"], row["frames"], row["reduction"]) == (16, 16, 3, 4)
    assert row["sha256"] == row_sha256(row)
    assert row["sha256"] != pack(made(1))["sha256"]


def test_a_clip_says_how_every_pixel_moves() -> None:
    observation = made().observation()
    assert observation.displacement.shape == (3, 16, 16, 2)
    assert observation.visible.shape == (3, 16, 16)
    assert made().size == (16, 16)


def test_a_shard_is_parquet_with_what_made_it(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.parquet", map(made, range(3)), {"backbone": "tiny"})
    footer = pq.read_metadata(path)
    said = json.loads(footer.metadata[METADATA_KEY])
    assert said["format"] == FORMAT
    assert said["meta"] == {
        "backbone": "tiny",
        "size": [16, 16],
        "frames": 3,
        "reduction": 4,
        "latents": [3, 4, 2, 2],
        "encodings": {"image_embeds": ["float16", 1, 8], "pooled": ["bfloat16", 5]},
    }
    assert footer.num_row_groups == footer.num_rows == 3
    assert footer.row_group(0).column(1).compression == "ZSTD"
    for number, row in enumerate(pq.read_table(path).to_pylist()):
        assert_same(made(number), unpack(row))


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_shard(tmp_path / "a.parquet", [made(0), made(1)], {"backbone": "tiny"})
    two = write_shard(tmp_path / "b.parquet", [made(0), made(1)], {"backbone": "tiny"})
    assert one.read_bytes() == two.read_bytes()


def test_a_shard_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield made(0)
        raise RuntimeError("the tracker died")

    with pytest.raises(RuntimeError, match="the tracker died"):
        write_shard(tmp_path / "a.parquet", broken(), {})
    assert list(tmp_path.iterdir()) == []


def test_clips_that_do_not_belong_in_one_shard_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(InputError, match=r"'clip-1' has \{'size': \[20, 20\]"):
        write_shard(path, [made(0), made(1, side=20)], {})
    with pytest.raises(InputError, match="Two clips of one shard are called 'clip-0'"):
        write_shard(path, [made(0), made(0)], {})
    with pytest.raises(InputError, match="There is no clip to write"):
        write_shard(path, [], {})
    with pytest.raises(InputError, match=r"says frames 16, but its clips have 3"):
        write_shard(path, [made(0)], {"frames": 16})
    with pytest.raises(InputError, match="meta of a shard must be JSON"):
        write_shard(path, [made(0)], {"tracker": object()})
    with pytest.raises(InputError, match=r"must be named \*.parquet, got '.*a.tar'"):
        write_shard(tmp_path / "a.tar", [made(0)], {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": torch.zeros(3, 4, 2, 2)}, "latents of clip 'clip-0' must be torch.float16"),
        (
            {"displacement": torch.zeros(2, 4, 4, 2)},
            r"16x16 and 2 frames needs cells \(2, 4, 4\)",
        ),
        ({"reduction": 2}, r"needs cells \(3, 8, 8\) of 2 pixels"),
        ({"displacement": torch.ones(3, 4, 4, 2)}, "Frame 0 of clip 'clip-0' must not move"),
        ({"first_frame": torch.zeros(1, 16, 16).byte()}, r"must be \(3, H, W\), got \(1, 16, 16\)"),
        (
            {"latents": torch.full((3, 4, 2, 2), torch.nan).half()},
            "latents of clip 'clip-0' hold a",
        ),
        ({"encodings": {"a": torch.zeros(2, dtype=torch.int64)}}, "encoding 'a' of clip 'clip-0'"),
        ({"fps": 0.0}, "needs a positive fps and a motion length of at least 0, got 0.0 and 1.5"),
        ({"motion_length": float("nan")}, "got 8.0 and nan"),
    ],
)
def test_a_clip_that_contradicts_itself_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        attrs.evolve(made(), **change)


def test_a_displacement_beyond_16_bits_is_refused() -> None:
    moved = torch.zeros(3, 4, 4, 2)
    moved[1] = 1e5
    with pytest.raises(InputError, match="of clip 'clip-0' is too large for 16-bit floats"):
        pack(attrs.evolve(made(), displacement=moved))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latents": b"short"}, "row 3 is damaged"),
        (
            {"first_frame": b"no picture"},
            "row 3 is damaged. Its first frame is no image that can be read here",
        ),
        ({"visible": b""}, "row 3 is damaged"),
        ({"width": 20}, "row 3 is damaged: its first frame is 16x16, but it says 20x16"),
        ({"fps": None}, "row 3 is damaged"),
    ],
)
def test_a_damaged_row_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        unpack({**pack(made()), **change}, "row 3")


def test_a_row_without_a_column_is_refused() -> None:
    row = pack(made())
    del row["latents"]
    with pytest.raises(
        InputError, match=r"row 3 has no column 'latents', which kinema.clips/1 has"
    ):
        unpack(row, "row 3")
