"""Conformance suites to subclass: benchmarks, and metrics of sets of videos."""

from __future__ import annotations

import math
import pickle

import numpy as np
import torch
from torch import Tensor

from kinema.interfaces import Benchmark, SetMetric
from kinema.testing.contracts import Contract
from kinema.testing.scenes import textured


class SetMetricContract(Contract):
    """Promises of a metric of a set of videos."""

    def make(self) -> SetMetric:
        """The metric under test."""
        raise NotImplementedError("A SetMetricContract needs make().")

    def videos(self, count: int, seed: int) -> list[Tensor]:
        """Textured videos, uint8 ``(8, 64, 96, 3)``, that slide by different steps."""
        generator = torch.Generator().manual_seed(seed)
        frame = (textured(64, 96).permute(1, 2, 0) * 255).to(torch.uint8)
        steps = torch.randint(-4, 5, (count, 2), generator=generator).tolist()
        return [
            torch.stack([frame.roll((t * y, t * x), (0, 1)) for t in range(8)]) for x, y in steps
        ]

    def test_features_are_rows_of_numbers(self) -> None:
        """Float32 ``(n, d)``, finite, the same again, and of one d for all videos."""
        metric = self.make()
        first, second = self.videos(2, seed=0)
        found = metric.features(first)
        assert found.ndim == 2
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert np.array_equal(found, metric.features(first.clone()))
        assert metric.features(second).shape[1] == found.shape[1]

    def test_its_number_lies_in_its_interval(self) -> None:
        """Of sets that can be read only once; and how many videos there were is told."""
        metric = self.make()
        sets = [[metric.features(each) for each in self.videos(4, seed)] for seed in (0, 1)]
        found = metric.score(iter(sets[0]), iter(sets[1]))
        assert math.isfinite(found.value)
        assert found.low <= found.value <= found.high
        assert found.count == 4


class BenchmarkContract(Contract):
    """Promises of a benchmark; all its items are read, so make a small one."""

    def make(self) -> Benchmark:
        """The benchmark under test."""
        raise NotImplementedError("A BenchmarkContract needs make().")

    def test_items_are_named_once_and_always_alike(self) -> None:
        """The same list from a second one, and from a pickled one."""
        items = list(self.make().items())
        assert items
        assert len({(each.subset, each.key) for each in items}) == len(items)
        assert list(self.make().items()) == items
        assert pickle.loads(pickle.dumps(items)) == items

    def test_reading_is_a_pure_function_of_the_item(self) -> None:
        """A case that fits together, and the same one again in another order."""
        benchmark = self.make()
        items = list(benchmark.items())
        cases = [benchmark.read(item) for item in items]
        again = self.make()
        for item, case in reversed(list(zip(items, cases, strict=True))):
            assert case.photo.dtype == np.uint8
            assert case.motion.canvas == (case.photo.shape[1], case.photo.shape[0])
            other = again.read(item)
            assert np.array_equal(other.photo, case.photo)
            assert other.motion == case.motion
            if case.truth.frames is not None:
                assert case.size is not None
                assert case.truth.frames.shape == (case.frames, case.size[1], case.size[0], 3)
                assert torch.equal(torch.from_numpy(case.photo), case.truth.frames[0])
