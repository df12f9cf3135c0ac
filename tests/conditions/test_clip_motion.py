"""What a shard costs and keeps of motion that is known exactly."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import torch
from torch import Tensor

from kinema.clips.clip import Clip, write_shard
from kinema.clips.dataset import ClipDataset
from kinema.clips.reduction import motion_length, reduce_observation
from kinema.signals import Observation
from kinema_conditions.synthetic import SyntheticClip, generate

pytest.importorskip("pyarrow")

#: The goals: mean end-point error in pixels, and the share of visible pixels given up for it.
MOST_ERROR = 0.25
MOST_LOST = 0.10
MOST_BYTES = 1_000_000


def clip_of(found: SyntheticClip, reduction: int) -> tuple[Clip, float]:
    reduced = reduce_observation(found.observation, reduction)
    frames, height, width, _ = found.frames.shape
    random = torch.Generator().manual_seed(0)
    # Noise is the worst that latents can be for compression.
    latents = torch.randn(frames, 4, height // 8, width // 8, generator=random).half()
    clip = Clip(
        id="synthetic",
        latents=latents,
        encodings={"image_embeds": torch.randn(1, 1024, generator=random).half()},
        first_frame=found.frames[0].permute(2, 0, 1).contiguous(),
        displacement=reduced.displacement,
        visible=reduced.visible,
        reduction=reduction,
        fps=found.fps,
        motion_length=motion_length(found.observation),
    )
    return clip, reduced.lost


def error(truth: Observation, back: Observation) -> Tensor:
    """The mean end-point error over the pixels of all frames that are visible in both."""
    off = (back.displacement - truth.displacement).square().sum(-1).sqrt()
    return off[truth.visible & back.visible].mean()


def assert_kept(found: SyntheticClip, reduction: int, folder: Path) -> int:
    clip, lost = clip_of(found, reduction)
    path = write_shard(folder / "a.parquet", [clip], {"backbone": "svd"})
    back = ClipDataset(folder)[0].observation()
    assert float(error(found.observation, back)) <= MOST_ERROR
    assert lost <= MOST_LOST
    kept = (found.observation.visible & back.visible).sum() / found.observation.visible.sum()
    assert lost == pytest.approx(1 - float(kept), abs=1e-5)
    return path.stat().st_size


@pytest.mark.parametrize(
    ("size", "reduction"), [((64, 64), 1), ((64, 64), 2), ((96, 64), 2), ((128, 128), 4)]
)
@pytest.mark.parametrize("index", range(3))
def test_small_clips_keep_their_motion(
    size: tuple[int, int], reduction: int, index: int, tmp_path: Path
) -> None:
    assert_kept(generate(11, index, size=size, frames=8), reduction, tmp_path)


def test_a_clip_of_full_size_costs_less_than_a_megabyte(tmp_path: Path) -> None:
    found = generate(1, 0, frames=16)
    assert assert_kept(found, 4, tmp_path) <= MOST_BYTES


def test_even_noise_of_a_tracker_costs_less_than_a_megabyte(tmp_path: Path) -> None:
    clip, _ = clip_of(generate(1, 1, frames=16), 4)
    noise = torch.randn(clip.displacement.shape, generator=torch.Generator().manual_seed(1))
    noisy = ((clip.displacement + noise) * 32).round() / 32
    noisy[0] = 0
    shaken = attrs.evolve(clip, displacement=noisy)
    path = write_shard(tmp_path / "a.parquet", [shaken], {"backbone": "svd"})
    assert path.stat().st_size <= MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("index", range(8))
def test_clips_of_full_size_keep_their_motion(index: int, tmp_path: Path) -> None:
    assert assert_kept(generate(3, index), 4, tmp_path) <= MOST_BYTES
