"""The condition ``dense-trajectory``."""

from __future__ import annotations

import torch

from kinema import CameraPath, Drag, Motion, Region
from kinema.interfaces import DepthMap, Scene
from kinema.signals import Observation
from kinema.testing import ConditionContract
from kinema_conditions.configs import DenseTrajectoryConfig
from kinema_conditions.dense_trajectory import DenseTrajectory


class TestDenseTrajectory(ConditionContract):
    def make(self) -> DenseTrajectory:
        return DenseTrajectory(DenseTrajectoryConfig())


def test_a_region_moves_whole_and_leaves_sight_at_the_border() -> None:
    region = Region(polygon=[(50, 20), (80, 20), (80, 40), (50, 40)])
    motion = Motion(canvas=(96, 64), drags=[Drag([(60, 30), (90, 30)])], regions=[region])
    signal = DenseTrajectory(DenseTrajectoryConfig()).from_motion(motion, Scene(frames=4))
    dx, visible = signal.channel("dx"), signal.channel("visible")
    assert torch.allclose(dx[:, 30, 55], torch.tensor([0.0, 10.0, 20.0, 30.0]), atol=1e-4)
    # x = 80 passes the last column, 95, between frames 1 and 2; from then on nothing is said of it.
    assert visible[:, 30, 80].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert dx[2:, 30, 80].tolist() == [0.0, 0.0]
    assert not dx[:, 5, 5].any()
    assert bool(visible[:, 5, 5].all())


def test_a_camera_hides_what_it_passes() -> None:
    depth = DepthMap(depth=torch.full((64, 96), 2.0), metric=True, source="wall")
    motion = Motion(canvas=(96, 64), camera=CameraPath.parse("dolly:1.5"))
    scene = Scene(frames=4, depth=lambda: depth)
    visible = DenseTrajectory(DenseTrajectoryConfig()).from_motion(motion, scene).channel("visible")
    assert bool(visible[0].all())
    assert not visible[-1].any()


def test_an_observation_keeps_its_flow_where_it_is_seen() -> None:
    displacement = torch.full((3, 8, 8, 2), 2.0)
    displacement[0] = 0.0
    visible = torch.ones(3, 8, 8, dtype=torch.bool)
    visible[2, :4] = False
    seen = Observation(displacement=displacement, visible=visible)
    signal = DenseTrajectory(DenseTrajectoryConfig()).from_observation(seen, torch.Generator())
    assert torch.equal(signal.channel("visible"), visible.float())
    assert signal.channel("dx")[2, :4].abs().max() == 0
    assert torch.equal(signal.channel("dy")[2, 4:], torch.full((4, 8), 2.0))
