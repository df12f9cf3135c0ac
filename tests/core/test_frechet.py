"""The Fréchet distance against its formula, and its interval against what it should hold."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from kinema.errors import InputError
from kinema.evaluation.frechet import Moments, Reservoir, estimate, frechet_distance

Array = NDArray[np.float64]


def drawn(seed: int, count: int, size: int, shift: float = 0.0, scale: float = 1.0) -> Array:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(9).normal(size=(size, size))
    return rng.normal(size=(count, size)) @ mix * scale + shift + 100.0


def by_formula(first: Array, second: Array) -> float:
    one, two = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = scipy.linalg.sqrtm(one @ two)
    apart = first.mean(0) - second.mean(0)
    return float(apart @ apart + np.trace(one) + np.trace(two) - 2 * np.trace(np.real(root)))


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.5, 1.0), (0.0, 2.0), (3.0, 0.3)])
def test_it_is_that_of_the_matrix_square_root(shift: float, scale: float) -> None:
    first, second = drawn(0, 400, 24), drawn(1, 300, 24, shift, scale)
    found = frechet_distance(Moments([first]), Moments([second]))
    assert found == pytest.approx(by_formula(first, second), rel=1e-8)


def test_sums_are_those_of_all_rows_however_they_come() -> None:
    rows = drawn(0, 101, 8) + 1e6  # a naive sum of squares loses six digits here
    parts = Moments(np.array_split(rows, 13))
    assert parts.count == 101
    assert np.allclose(parts.mean, rows.mean(0), rtol=1e-12)
    assert np.allclose(parts.covariance, np.cov(rows, rowvar=False), rtol=1e-6)


def test_fewer_rows_than_dimensions_are_no_special_case() -> None:
    # Two points on a line in 50 dimensions: of the line alone, the distance is known.
    line = np.random.default_rng(0).normal(size=50)
    line /= np.linalg.norm(line)
    first = np.array([[-1.0], [1.0]]) * line
    second = np.array([[1.0], [7.0]]) * line
    # Means 0 and 4, variances 2 and 18: (4)^2 + (sqrt 2 - sqrt 18)^2.
    expected = 16 + (np.sqrt(2) - np.sqrt(18)) ** 2
    assert frechet_distance(Moments([first]), Moments([second])) == pytest.approx(expected)
    assert frechet_distance(Moments([first]), Moments([first])) == pytest.approx(0, abs=1e-9)


def test_it_is_the_same_both_ways() -> None:
    first, second = Moments([drawn(0, 30, 64)]), Moments([drawn(1, 40, 64, 0.2)])
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))


def videos(seed: int, count: int, shift: float = 0.0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(4, 6)) + rng.normal(size=6) + shift for _ in range(count)]


def test_the_interval_holds_what_other_draws_give() -> None:
    found = estimate(videos(0, 100, 1.0), videos(1, 100))
    assert found.low < found.value < found.high
    assert (found.count, found.reference) == (100, 100)
    others = [estimate(videos(2 * s, 100, 1.0), videos(2 * s + 1, 100), 2) for s in range(1, 25)]
    # What is estimated is the distance at this N, whose spread the others show.
    inside = sum(found.low <= other.value <= found.high for other in others)
    assert inside >= 15
    assert estimate(videos(0, 100, 1.0), videos(1, 100)) == found


def test_a_larger_set_is_surer() -> None:
    wide, narrow = (estimate(videos(0, n, 1.0), videos(1, n)) for n in (16, 256))
    assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_memory_does_not_grow_with_the_number_of_videos() -> None:
    def endless(count: int) -> Iterator[NDArray[np.float32]]:
        rng = np.random.default_rng(0)
        for _ in range(count):
            yield rng.normal(size=(4, 64)).astype(np.float32)

    peaks = []
    for count in (200, 2000):
        tracemalloc.start()
        estimate(endless(count), endless(count), resamples=2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_the_reservoir_is_bounded_and_fair() -> None:
    counts = np.zeros(60)
    for seed in range(200):
        pool = Reservoir(rows=20, seed=seed)
        for number in range(60):
            pool.add(np.full((2, 1), float(number)))
        assert len(pool.kept) == 10
        counts[[int(each[0, 0]) for each in pool.kept]] += 1
    # Each of 60 is kept with a chance of 1/6: 33 of 200 times, give or take five.
    assert counts.min() > 12
    assert counts.max() < 60


def test_too_few_or_unlike_features_are_refused() -> None:
    with pytest.raises(InputError, match="needs at least 2 real videos, got 1"):
        estimate(videos(0, 3), videos(1, 1))
    with pytest.raises(InputError, match="Features of 6 and of 5 numbers cannot be compared"):
        Moments([np.zeros((2, 5)), np.zeros((2, 6))])
    with pytest.raises(InputError, match="Features of 5 and of 6 numbers"):
        frechet_distance(Moments([np.zeros((2, 5))]), Moments([np.zeros((2, 6))]))
