"""Observations in cells: what comes back, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.clips.reduction import (
    QUANTUM,
    Reduced,
    motion_length,
    reduce_observation,
    reduced_shape,
    restore_observation,
)
from kinema.errors import InputError
from kinema.signals import Observation


def observed(displacement: Tensor, visible: Tensor | None = None) -> Observation:
    seen = torch.ones(displacement.shape[:-1], dtype=torch.bool) if visible is None else visible
    return Observation(displacement=displacement, visible=seen)


def affine(frames: int, height: int, width: int, matrix: list[float]) -> Tensor:
    """Pixels move by ``matrix`` (2 x 3: x, y, 1), in proportion to time."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([x, y, torch.ones_like(x)], -1).float()
    moved = grid @ torch.tensor(matrix).view(2, 3).T
    return torch.arange(frames).view(-1, 1, 1, 1) * moved


def there_and_back(observation: Observation, reduction: int) -> tuple[Reduced, Observation]:
    reduced = reduce_observation(observation, reduction)
    _, height, width, _ = observation.displacement.shape
    return reduced, restore_observation(
        reduced.displacement, reduced.visible, reduction, height, width
    )


def errors(observation: Observation, back: Observation) -> Tensor:
    return (back.displacement - observation.displacement).square().sum(-1).sqrt()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-0.4, 0.4), min_size=6, max_size=6),
    st.integers(1, 4),
    st.integers(8, 21),
    st.integers(8, 21),
)
def test_an_affine_motion_comes_back_to_the_rounding(
    matrix: list[float], reduction: int, height: int, width: int
) -> None:
    # The last cells reach over the border of an odd canvas, where the mean is not the middle.
    height, width = height // reduction * reduction, width // reduction * reduction
    observation = observed(affine(4, height, width, matrix))
    reduced, back = there_and_back(observation, reduction)
    assert reduced.lost == 0
    assert back.visible.all()
    assert float(errors(observation, back).max()) <= 3 * QUANTUM


@pytest.mark.parametrize("edge", range(8, 13))
def test_nothing_is_blended_across_the_edge_of_a_moving_thing(edge: int) -> None:
    turning = affine(3, 24, 24, [0.02, 0.05, 0.5, -0.05, 0.02, 1.0])
    sliding = affine(3, 24, 24, [0.0, 0.0, -6.0, 0.0, 0.0, 3.0])
    left = (torch.arange(24) < edge)[None, None, :, None]
    observation = observed(torch.where(left, turning, sliding))
    reduced, back = there_and_back(observation, 4)
    both = observation.visible & back.visible
    assert float(errors(observation, back)[both].max()) <= 3 * QUANTUM
    # At most the one column of cells that the edge runs through, in the frames that move.
    assert reduced.lost <= 4 / 24 * 2 / 3 + 1e-6
    assert (reduced.lost == 0) == (edge % 4 == 0)
    seen = back.visible[:, 0]
    assert seen[0].all()
    assert int((~seen[1:]).sum()) in (0, 8)


def test_a_cell_is_visible_if_most_of_its_pixels_are() -> None:
    seen = torch.ones(2, 4, 8, dtype=torch.bool)
    seen[1, :, :3] = False
    seen[1, :, 4:6] = False
    reduced, back = there_and_back(observed(torch.zeros(2, 4, 8, 2), seen), 4)
    assert reduced.visible[0].all()
    assert reduced.visible[1].tolist() == [[False, True]]
    assert back.visible[1, :, 4:].all()
    assert reduced.lost == pytest.approx(4 / 44)


def test_hidden_nonsense_neither_hides_nor_overflows() -> None:
    moved = torch.zeros(2, 8, 16, 2)
    moved[1, :, 10:] = 1e9
    seen = torch.ones(2, 8, 16, dtype=torch.bool)
    seen[1, :, 10:] = False
    reduced, back = there_and_back(observed(moved, seen), 4)
    assert reduced.lost == 0
    assert reduced.visible[1].tolist() == [[True, True, True, False]] * 2
    assert not back.displacement[1, :, :10].any()
    assert torch.isfinite(reduced.displacement.half()).all()


def test_a_canvas_need_not_divide() -> None:
    observation = observed(affine(3, 10, 7, [0.0, 0.0, 1.0, 0.0, 0.0, -2.0]))
    reduced, back = there_and_back(observation, 4)
    assert tuple(reduced.visible.shape[1:]) == reduced_shape(10, 7, 4) == (3, 2)
    assert back.displacement.shape == (3, 10, 7, 2)
    assert torch.equal(back.displacement, observation.displacement)


def test_motion_length_is_the_mean_over_all_frames_and_pixels() -> None:
    assert motion_length(observed(affine(3, 4, 4, [0, 0, 3.0, 0, 0, 4.0]))) == pytest.approx(5.0)


@pytest.mark.parametrize("reduction", [0, 9])
def test_a_reduction_that_does_not_fit_is_refused(reduction: int) -> None:
    with pytest.raises(InputError, match=rf"from 1 to its smaller side, got {reduction} for 16x8"):
        reduce_observation(observed(torch.zeros(2, 8, 16, 2)), reduction)


def test_a_visible_pixel_that_leaves_the_world_is_refused() -> None:
    moved = torch.zeros(2, 8, 8, 2)
    moved[1, 0, 0] = 5000.0
    with pytest.raises(InputError, match="moves further than 4096 pixels"):
        reduce_observation(observed(moved))


def test_cells_that_do_not_cover_the_canvas_are_refused() -> None:
    with pytest.raises(InputError, match="2x2 cells of 4 pixels does not fit a canvas of 16x8"):
        restore_observation(torch.zeros(2, 2, 2, 2), torch.ones(2, 2, 2).bool(), 4, 8, 16)
