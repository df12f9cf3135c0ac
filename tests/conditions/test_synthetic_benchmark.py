"""The benchmark ``synthetic``: what it asks for is what truly happens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kinema.errors import InputError
from kinema.interfaces import Case
from kinema.testing import BenchmarkContract
from kinema_conditions.synthetic.benchmark import SyntheticBenchmark
from kinema_conditions.synthetic_config import SYNTHETIC_SUBSETS, SyntheticBenchmarkConfig


def cases(subset: str, count: int = 4) -> list[Case]:
    benchmark = SyntheticBenchmark(SyntheticBenchmarkConfig(subsets=(subset,), count=count))
    return [benchmark.read(item) for item in benchmark.items()]


class TestSynthetic(BenchmarkContract):
    def make(self) -> SyntheticBenchmark:
        return SyntheticBenchmark(SyntheticBenchmarkConfig(count=2))


def test_every_subset_has_as_many_items() -> None:
    items = SyntheticBenchmark(SyntheticBenchmarkConfig(count=3)).items()
    assert [each.subset for each in items] == [s for s in SYNTHETIC_SUBSETS for _ in range(3)]


@pytest.mark.parametrize("subset", ["fine-grained", "object-level"])
def test_drags_follow_what_moves_before_a_resting_camera(subset: str) -> None:
    for case in cases(subset):
        truth = case.truth
        assert truth.observation is not None
        assert truth.world_to_camera is not None
        assert np.allclose(truth.world_to_camera, np.eye(4))
        assert case.motion.camera is None
        for drag in case.motion.drags:
            x, y = (round(c) for c in drag.points[0])
            expected = truth.observation.displacement[:, y, x]
            found = torch.tensor(drag.points) - torch.tensor(drag.points[0])
            assert torch.allclose(found, expected, atol=1e-4)
            assert expected.norm(dim=-1).max() > 1


def test_camera_paths_move_the_whole_picture_as_the_truth_says() -> None:
    for case in cases("camera"):
        assert case.motion.camera is not None
        assert not case.motion.drags
        assert case.truth.depth is not None
        assert case.truth.intrinsics is not None
        assert case.truth.world_to_camera is not None
        assert case.truth.observation is not None
        # A pixel lifted by the depth and projected again is where the observation has it.
        y, x = 20, 30
        k, pose = case.truth.intrinsics, case.truth.world_to_camera
        relative = pose[-1] @ np.linalg.inv(pose[0])
        world = np.linalg.inv(k[0]) @ (x, y, 1) * float(case.truth.depth[y, x])
        seen = k[-1] @ (relative[:3, :3] @ world + relative[:3, 3])
        expected = case.truth.observation.displacement[-1, y, x] + torch.tensor([x, y])
        assert np.allclose(seen[:2] / seen[2], expected.numpy(), atol=1e-2)


def test_a_camera_and_an_object_move_at_once() -> None:
    for case in cases("camera-object"):
        assert case.motion.camera is not None
        assert case.motion.drags
        assert case.motion.regions


def test_the_same_drag_means_the_object_or_the_camera() -> None:
    masked, bare = cases("misread"), cases("misread-unmasked")
    assert [case.motion.drags for case in masked] == [case.motion.drags for case in bare]
    assert not any(case.motion.regions for case in bare)
    # Item 0 means the object and item 1 the camera, of one picture and one drag.
    assert np.array_equal(masked[0].photo, masked[1].photo)
    assert masked[0].motion.drags == masked[1].motion.drags
    shares = [case.motion.regions[0].rasterize(case.motion.canvas).mean() for case in masked[:2]]
    assert shares[0] < 0.7
    assert shares[1] == 1.0
    corner = [case.truth.observation.displacement[-1, 0, 0].norm() for case in masked[:2]]  # type: ignore[union-attr]
    assert corner[0] == 0
    assert corner[1] > 3


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"has no subsets \['coarse'\]"):
        SyntheticBenchmarkConfig(subsets=("coarse",))
    with pytest.raises(InputError, match="at least 16x16 pixels and 2 frames"):
        SyntheticBenchmarkConfig(width=8)
