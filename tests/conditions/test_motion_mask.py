"""Which pixels may move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kinema import CameraPath, Drag, InputError, Motion, MotionError, Region, Tracks
from kinema.interfaces import Scene
from kinema.signals import Observation
from kinema_conditions.configs import MotionMaskConfig
from kinema_conditions.motion_mask import MotionMask

CANVAS = (64, 48)


def mask(motion: Motion, frames: int = 5, **options: Any) -> Tensor:
    condition = MotionMask(MotionMaskConfig(**options))
    maps = condition.from_motion(motion, Scene(frames=frames)).dense()
    assert maps.shape == (frames, 1, motion.canvas[1], motion.canvas[0])
    assert torch.equal(maps, maps[:1].expand_as(maps))
    assert set(maps.unique().tolist()) <= {0.0, 1.0}
    return maps[0, 0]


@pytest.mark.parametrize("published", [False, True])
def test_drags_and_brush_equal_the_published_numbers(
    drags_reference: dict[str, Any], published: bool
) -> None:
    canvas = (drags_reference["width"], drags_reference["height"])
    motion = Motion(
        canvas=canvas,
        drags=[Drag(track) for track in drags_reference["tracks"]],
        regions=[Region.from_array(drags_reference["in.brush"].numpy())],
    )
    made = mask(motion, drags_reference["frames"], published=published)
    assert torch.equal(made, drags_reference["out.mask"][0].float())


def test_a_round_trip_keeps_its_block_unless_published() -> None:
    motion = Motion(canvas=CANVAS, drags=[Drag([(30, 20), (40, 20), (30, 20)])])
    assert mask(motion)[16:24, 26:34].all()
    assert mask(motion).sum() == 64
    assert not mask(motion, published=True).any()


def test_several_regions_are_united() -> None:
    one, two = np.zeros((48, 64), bool), np.zeros((48, 64), bool)
    one[5:10, 5:10], two[30:40, 20:30] = True, True
    motion = Motion(canvas=CANVAS, regions=[Region.from_array(one), Region.from_array(two)])
    assert torch.equal(mask(motion), torch.from_numpy(one | two).float())


def test_a_camera_path_moves_everything_and_needs_no_depth() -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath.parse("pan:5"), drags=[Drag([(30, 20)])])
    assert mask(motion).all()
    assert mask(motion, published=True).all()


def test_a_track_point_that_is_never_seen_again_joins_nothing() -> None:
    tracks = Tracks(
        points=[[(10, 10), (40, 30)], [(12, 10), (44, 30)]], visible=[[True, True], [True, False]]
    )
    made = mask(Motion(canvas=CANVAS, tracks=tracks), frames=2)
    assert made[10, 10] == 1
    assert made[30, 40] == 0


def test_a_mask_of_another_size_is_refused() -> None:
    motion = Motion(canvas=CANVAS, regions=[Region.from_array(np.ones((10, 10)))])
    with pytest.raises(MotionError, match="10x10 but the canvas is 64x48"):
        mask(motion)


def test_a_clip_masks_what_moves_more_than_a_pixel_on_average() -> None:
    displacement = torch.zeros(4, 8, 8, 2)
    displacement[1:, 0, 0, 0] = torch.tensor([1.0, 2.0, 3.0])  # mean 1.5
    displacement[3, 0, 1, 1] = 3.0  # mean 0.75, mean of squares 2.25
    displacement[3, 0, 2, 1] = 4.0  # mean exactly 1: not longer
    seen = Observation(displacement=displacement, visible=torch.ones(4, 8, 8, dtype=torch.bool))
    generator = torch.Generator()

    def moving(**options: Any) -> list[list[int]]:
        made = MotionMask(MotionMaskConfig(**options)).from_observation(seen, generator).dense()
        assert made.shape == (4, 1, 8, 8)
        assert torch.equal(made[0], made[3])
        found: list[list[int]] = made[0, 0].nonzero().tolist()
        return found

    assert moving() == [[0, 0]]
    assert moving(published=True) == [[0, 0], [0, 1], [0, 2]]
    assert moving(threshold=0.5) == [[0, 0], [0, 1], [0, 2]]


def test_bad_options_are_named() -> None:
    with pytest.raises(InputError, match="threshold must be a number of pixels, got nan"):
        MotionMaskConfig(threshold=float("nan"))
    with pytest.raises(InputError, match="k must be at least 1 pixel, got -2"):
        MotionMaskConfig(k=-2)


def test_all_ones_tells_nothing() -> None:
    drag = Motion(canvas=CANVAS, drags=[Drag([(30, 20), (40, 20)])])
    assert not mask(drag).all()
    assert mask(drag, all_ones=True).all()
    resting = Observation(
        displacement=torch.zeros(3, 48, 64, 2), visible=torch.ones(3, 48, 64, dtype=torch.bool)
    )
    made = MotionMask(MotionMaskConfig(all_ones=True)).from_observation(
        resting, torch.Generator().manual_seed(0)
    )
    assert made.dense().shape == (3, 1, 48, 64)
    assert made.dense().eq(1).all()
