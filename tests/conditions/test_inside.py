"""Motions that stay inside the photo, and regions that stand on bare ground."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinema import CameraPath, Drag, Motion, Region
from kinema.interfaces import DepthMap, Scene
from kinema_conditions.configs import PlanePriorConfig
from kinema_conditions.depth.plane_prior import PlanePrior
from kinema_conditions.layered_config import LayeredMotionConfig
from kinema_conditions.layered_motion import LayeredMotion
from kinema_conditions.scene_depth import scene_depth

CANVAS = (96, 64)


def wall() -> DepthMap:
    return DepthMap(depth=torch.full((64, 96), 2.0), metric=True, source="wall")


def ground() -> DepthMap:
    return PlanePrior(PlanePriorConfig()).estimate(torch.zeros(3, 64, 96))


@pytest.mark.parametrize(
    ("move", "zoom"), [("pan:8", 1.4), ("zoom:0.8", 1.3), ("truck:0.1", 1.45), ("roll:5", 1.25)]
)
def test_no_side_of_the_photo_comes_into_view(move: str, zoom: float) -> None:
    motion = Motion(canvas=CANVAS, camera=CameraPath.parse(move))
    scene = Scene(frames=5, depth=wall)
    plain = LayeredMotion().from_motion(motion, scene)
    assert plain.notes == ("depth: wall",)
    signal = LayeredMotion(LayeredMotionConfig(inside=True)).from_motion(motion, scene)
    assert signal.notes[-1].startswith("zoomed in by up to 1.")
    maps = signal.dense()
    assert not maps[0, :2].any()
    for frame in range(5):
        across = maps[frame, 0] + torch.arange(96.0)
        down = maps[frame, 1] + torch.arange(64.0)[:, None]
        assert across[:, 0].max() < 1e-3
        assert across[:, -1].min() > 95 - 1e-3
        assert down[0].max() < 1e-3
        assert down[-1].min() > 63 - 1e-3
    told = float(signal.notes[-1].split()[5])
    assert 1.0 < told < zoom


def test_a_motion_that_is_inside_is_left_alone_and_one_too_large_is_said() -> None:
    config = LayeredMotionConfig(inside=True)
    drag = Motion(canvas=CANVAS, drags=[Drag([(48, 32), (52, 32)])])
    signal = LayeredMotion(config).from_motion(drag, Scene(frames=3))
    assert signal.notes == ("the motion stays inside the photo as it is",)
    assert torch.equal(signal.dense(), LayeredMotion().from_motion(drag, Scene(frames=3)).dense())
    away = Motion(canvas=CANVAS, camera=CameraPath.parse("truck:2"))
    signal = LayeredMotion(config).from_motion(away, Scene(frames=3, depth=wall))
    assert signal.notes[-1].startswith("even a zoom of 4 does not keep the sides")


def test_regions_stand_on_the_ground_of_a_prior_but_not_on_measured_depth() -> None:
    post = Region(polygon=[(40, 10), (50, 10), (50, 40), (40, 40)])
    low = Region(polygon=[(60, 30), (70, 30), (70, 80), (60, 80)])
    motion = Motion(canvas=CANVAS, regions=[post, low], camera=CameraPath.parse("orbit:8"))
    bare = ground().depth
    standing = scene_depth(motion, Scene(frames=2, depth=ground)).depth
    masks = [torch.from_numpy(np.asarray(r.rasterize(CANVAS))) for r in (post, low)]
    foot = int(masks[0].any(1).nonzero()[-1])
    assert torch.unique(standing[masks[0]]).tolist() == [float(bare[foot, 45])]
    assert torch.unique(standing[masks[1]]).tolist() == [float(bare[-1, 0])]
    outside = ~(masks[0] | masks[1])
    assert torch.equal(standing[outside], bare[outside])
    assert torch.equal(scene_depth(motion, Scene(frames=2, depth=wall)).depth, wall().depth)
