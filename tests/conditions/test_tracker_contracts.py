"""Every tracker of this package keeps the promises of its protocol."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kinema.interfaces import Tracker
from kinema.plugins import Plugins
from kinema.testing import TrackerContract
from kinema_conditions.synthetic import Scene, SyntheticConfig, film, generate
from kinema_conditions.trackers.ground_truth import GroundTruth


class TestDis(TrackerContract):
    options: ClassVar[dict[str, str]] = {}

    def make(self) -> Tracker:
        built: Tracker = Plugins.installed().build("tracker", "dis", self.options)
        return built


class TestDisFast(TestDis):
    options: ClassVar[dict[str, str]] = {"quality": "fast"}


class TestDisHigh(TestDis):
    options: ClassVar[dict[str, str]] = {"quality": "high"}


class TestGroundTruth(TrackerContract):
    """On a synthetic wall before a camera that moves it right by 2 px a frame."""

    def scene(self) -> Scene:
        still = SyntheticConfig(least_objects=0, most_objects=0, camera=0)
        wall = next(
            scene
            for index in range(99)
            if (scene := generate(0, index, (96, 64), 4, still).scene).layers[0].inverse_depth[:2]
            == (0.0, 0.0)
        )
        poses = np.tile(np.eye(4), (4, 1, 1))
        depth, focal = 1 / wall.layers[0].inverse_depth[2], wall.intrinsics[0, 0, 0]
        poses[:, 0, 3] = 2 * np.arange(4) * depth / focal
        return Scene(
            size=wall.size,
            layers=wall.layers,
            intrinsics=wall.intrinsics,
            world_to_camera=poses,
        )

    def make(self) -> Tracker:
        return GroundTruth.of(film(self.scene()))

    def clip(self) -> Tensor:
        return film(self.scene()).frames


def test_trackers_answer_from_any_frame() -> None:
    """The slide of the contract's clip, seen from its frame 2."""
    contract = TestDis()
    tracks, visible = contract.make().track(contract.clip(), torch.tensor([[40.0, 30.0]]), 2)
    assert torch.allclose(tracks[:, 0, 0], torch.tensor([36.0, 38.0, 40.0, 42.0]), atol=0.3)
    assert torch.allclose(tracks[:, 0, 1], torch.full((4,), 30.0), atol=0.3)
    assert bool(visible.all())
