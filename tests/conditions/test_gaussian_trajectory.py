"""Points spread by a large Gaussian."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.filters import gaussian_blur2d, get_gaussian_kernel1d
from torch import Tensor

from kinema import CameraPath, Drag, InputError, Motion, MotionError
from kinema.interfaces import Scene
from kinema.signals import Observation
from kinema_conditions.configs import GaussianTrajectoryConfig
from kinema_conditions.gaussian_trajectory import GaussianTrajectory

CANVAS = (160, 128)


def signal(motion: Motion, frames: int = 3, **options: Any) -> Tensor:
    condition = GaussianTrajectory(GaussianTrajectoryConfig(**options))
    return condition.from_motion(motion, Scene(frames=frames)).dense()


def test_the_peak_keeps_the_displacement_and_falls_off_as_a_gaussian() -> None:
    made = signal(Motion(canvas=CANVAS, drags=[Drag([(80, 64), (90, 44)])]))
    assert made[-1, :, 64, 80].tolist() == pytest.approx([10, -20], rel=1e-5)
    for offset in (1, 10, 25):
        expected = 10 * math.exp(-(offset**2) / (2 * 10.0**2))
        assert float(made[-1, 0, 64, 80 + offset]) == pytest.approx(expected, rel=1e-4)
        assert float(made[-1, 0, 64 - offset, 80]) == pytest.approx(expected, rel=1e-4)
    assert made[-1, 0, 64, 80 + 49] > 0
    assert made[-1, 0, 64, 80 + 50] == 0


def test_it_equals_a_blur_of_the_whole_map() -> None:
    made = signal(Motion(canvas=CANVAS, drags=[Drag([(3.5, 5.2), (9, 9)]), Drag([(90, 70)])]))
    points = torch.zeros(3, 2, 128, 160)
    points[:, :, 5, 3] = torch.tensor([[0, 0], [2.75, 1.9], [5.5, 3.8]])
    points[:, :, 70, 90] = torch.tensor([[0.0], [0.5], [1.0]])
    blurred = gaussian_blur2d(points, 99, (10.0, 10.0), border_type="constant")
    peak = get_gaussian_kernel1d(99, 10.0).max() ** 2
    assert torch.allclose(made, blurred / peak, atol=1e-4)


def test_the_later_of_two_drags_from_one_pixel_counts() -> None:
    motion = Motion(canvas=CANVAS, drags=[Drag([(40, 40), (50, 40)]), Drag([(40, 40), (40, 45)])])
    assert signal(motion)[-1, :, 40, 40].tolist() == pytest.approx([0, 5])


def test_no_motion_gives_the_zero_signal() -> None:
    made = signal(Motion(canvas=CANVAS))
    assert made.shape == (3, 2, 128, 160)
    assert not made.any()


def test_several_points_add_up() -> None:
    one = Drag([(40, 40), (50, 40)])
    two = Drag([(60, 40), (60, 45)])
    together = signal(Motion(canvas=CANVAS, drags=[one, two]))
    apart = [signal(Motion(canvas=CANVAS, drags=[drag])) for drag in (one, two)]
    assert torch.allclose(together, apart[0] + apart[1], atol=1e-5)


def test_the_border_cuts_the_gaussian_and_reflects_nothing() -> None:
    inside = signal(Motion(canvas=CANVAS, drags=[Drag([(60, 60), (70, 60)])]))
    corner = signal(Motion(canvas=CANVAS, drags=[Drag([(0, 0), (10, 0)])]))
    assert torch.allclose(corner[..., :40, :40], inside[..., 60:100, 60:100], atol=1e-5)


def test_a_camera_path_is_refused_by_name() -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath.parse("pan:5"))
    with pytest.raises(MotionError, match="cannot express a camera path"):
        signal(motion)


def observation() -> Observation:
    displacement = torch.zeros(4, 128, 160, 2)
    displacement[1:] = torch.arange(1, 4)[:, None, None, None] * torch.tensor([2.0, 1.0])
    visible = torch.ones(4, 128, 160, dtype=torch.bool)
    visible[2, :, 80:] = False
    return Observation(displacement=displacement, visible=visible)


def test_a_clip_gives_a_few_visible_points() -> None:
    condition = GaussianTrajectory(GaussianTrajectoryConfig(kernel=1, points=3))
    counts = set()
    for seed in range(12):
        made = condition.from_observation(observation(), torch.Generator().manual_seed(seed))
        points = made.dense()[-1, 0].nonzero()
        assert bool((points[:, 1] < 80).all())
        assert made.dense()[-1, :, points[0, 0], points[0, 1]].tolist() == [6, 3]
        counts.add(len(points))
    assert counts == {1, 2, 3}


def test_a_clip_that_shows_nothing_throughout_gives_zeros() -> None:
    seen = observation()
    hidden = Observation(displacement=seen.displacement, visible=torch.zeros_like(seen.visible))
    condition = GaussianTrajectory(GaussianTrajectoryConfig())
    assert not condition.from_observation(hidden, torch.Generator()).dense().any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 98}, "kernel must be an odd number of pixels, got 98"),
        ({"sigma": 0.0}, "sigma must be a positive number of pixels, got 0.0"),
        ({"points": 0}, "points must be at least 1, got 0"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GaussianTrajectoryConfig(**options)


@settings(max_examples=15, deadline=None)
@given(
    x=st.integers(20, 100), y=st.integers(20, 80), dx=st.integers(-10, 10), dy=st.integers(-10, 10)
)
def test_translating_a_motion_translates_the_signal(x: int, y: int, dx: int, dy: int) -> None:
    options: dict[str, Any] = {"kernel": 15, "sigma": 3.0}
    made = signal(Motion(canvas=CANVAS, drags=[Drag([(x, y), (x + 5, y)])]), **options)
    moved = Drag([(x + dx, y + dy), (x + dx + 5, y + dy)])
    shifted = signal(Motion(canvas=CANVAS, drags=[moved]), **options)
    assert torch.allclose(shifted, made.roll((dy, dx), dims=(-2, -1)), atol=1e-4)
