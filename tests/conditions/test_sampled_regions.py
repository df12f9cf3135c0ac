"""How a clip becomes a training signal: flow, visibility and random regions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kinema.signals import Observation
from kinema_conditions.camera_trajectory import CameraTrajectory
from kinema_conditions.configs import CameraTrajectoryConfig, RegionTrajectoryConfig
from kinema_conditions.rasterize import draw_ratio, keep_regions
from kinema_conditions.region_trajectory import RegionTrajectory

FRAMES, HEIGHT, WIDTH = 4, 320, 512


def observation() -> Observation:
    """Every pixel moves by its own amount; the right part is hidden in one frame."""
    pattern = torch.rand(HEIGHT, WIDTH, 2, generator=torch.Generator().manual_seed(0)) + 1
    displacement = pattern * torch.arange(FRAMES)[:, None, None, None]
    visible = torch.ones(FRAMES, HEIGHT, WIDTH, dtype=torch.bool)
    visible[2, :, 300:] = False
    return Observation(displacement=displacement, visible=visible)


def drawn(seed: int, r_min: float = 0.95, k: int = 8) -> Tensor:
    condition = RegionTrajectory(RegionTrajectoryConfig(k=k, r_min=r_min))
    generator = torch.Generator().manual_seed(seed)
    return condition.from_observation(observation(), generator).dense()


def test_kept_regions_carry_the_flow_and_need_a_visible_centre() -> None:
    made = drawn(0, r_min=0.0)
    flow = observation().displacement.permute(0, 3, 1, 2)
    kept = made[-1].ne(0).any(0)
    assert torch.equal(made, torch.where(kept, flow, 0.0))
    blocks = kept.unflatten(0, (40, 8)).unflatten(2, (64, 8))
    whole = blocks.all(3).all(1)
    assert torch.equal(whole, blocks.any(3).any(1))
    # The region of columns 296 to 303 has its centre, 300, where a frame hides it.
    assert not whole[:, 37:].any()
    assert whole[:, :37].any()


def test_the_share_left_out_is_uniform_from_r_min_to_one() -> None:
    shares = []
    for seed in range(60):
        regions = drawn(seed)[-1, 0, 4::8, 4:296:8].ne(0)
        shares.append(1 - float(regions.float().mean()))
    assert min(shares) < 0.965
    assert max(shares) > 0.985
    assert 0.97 < sum(shares) / len(shares) < 0.98


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 1.0), (0.85, 0.15), (1.0, 0.0)])
def test_regions_are_kept_where_a_draw_exceeds_the_ratio(ratio: float, expected: float) -> None:
    seen = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    kept = keep_regions(seen, 8, torch.tensor(ratio), torch.Generator().manual_seed(0))
    assert float(kept.float().mean()) == pytest.approx(expected, abs=0.03)


def test_ratios_are_drawn_from_their_range() -> None:
    generator = torch.Generator().manual_seed(0)
    ratios = torch.stack([draw_ratio(0.95, generator) for _ in range(500)])
    assert float(ratios.min()) >= 0.95
    assert float(ratios.max()) <= 1.0
    assert float(ratios.mean()) == pytest.approx(0.975, abs=0.002)
    assert float(draw_ratio(1.0, generator)) == 1.0


@pytest.mark.parametrize("k", [3, 8, 7])
def test_sizes_that_k_does_not_divide_have_clipped_regions(k: int) -> None:
    seen = torch.ones(20, 31, dtype=torch.bool)
    kept = keep_regions(seen, k, torch.tensor(0.0), torch.Generator().manual_seed(0))
    assert kept.shape == (20, 31)
    assert kept.all()


def test_all_randomness_comes_from_the_generator() -> None:
    state = torch.random.get_rng_state()
    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_camera_draws_as_regions_do() -> None:
    condition = CameraTrajectory(CameraTrajectoryConfig())
    generator = torch.Generator().manual_seed(3)
    assert torch.equal(condition.from_observation(observation(), generator).dense(), drawn(3))


def sliding(shift: float) -> Observation:
    """A square of 40 x 40 pixels slides to the right over a background that rests."""
    square = torch.zeros(64, 96, dtype=torch.bool)
    square[12:52, 20:60] = True
    moved = torch.where(square[..., None], torch.tensor([shift, 0.0]), 0.0)
    steps = torch.linspace(0, 1, FRAMES)[:, None, None, None]
    visible = torch.ones(FRAMES, 64, 96, dtype=torch.bool)
    return Observation(displacement=moved * steps, visible=visible)


def test_drags_tell_the_motion_as_a_person_would() -> None:
    condition = RegionTrajectory(RegionTrajectoryConfig(drags=2))
    blocks = set()
    for seed in range(20):
        made = condition.from_observation(
            sliding(12.0), torch.Generator().manual_seed(seed)
        ).dense()
        told = made[-1].ne(0).any(0)
        starts = told.nonzero()
        # A block reaches 4 pixels beyond its drag's start, and that is on the square.
        assert starts.amin(0).tolist() >= [8, 16]
        assert (starts.amax(0) <= torch.tensor([55, 63])).all()
        assert torch.allclose(made[:, 0, told], torch.linspace(0, 12, FRAMES)[:, None])
        assert not made[:, 1].any()
        blocks.add(int(told.sum()))
    assert 64 in blocks
    assert max(blocks) > 64


def test_nothing_to_drag_is_the_zero_signal() -> None:
    condition = RegionTrajectory(RegionTrajectoryConfig(drags=1))
    made = condition.from_observation(sliding(0.5), torch.Generator().manual_seed(0))
    assert not made.dense().any()
