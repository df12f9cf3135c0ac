"""The Fréchet distance between two sets of features, with memory that does not grow.

``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`` of the means and covariances (Dowson and Landau
1982; Heusel et al. 2017). Everything is summed in float64. The trace of the square root is the sum
of the singular values of ``B^T A`` with ``S1 = A A^T`` and ``S2 = B B^T``: real and not negative
whatever the rank, so that fewer features than dimensions are no special case.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError
from kinema.interfaces import Estimate

Array = NDArray[np.float64]

#: How often the videos of the reservoir are drawn again for an interval, and the seed of that.
RESAMPLES = 100
SEED = 0

#: The most features (rows) of each set that the reservoir holds.
RESERVOIR = 512

#: Features (rows) that are summed up at once.
BLOCK = 128


class Moments:
    """Count, mean and covariance of features that come one video at a time.

    Args:
        features: of the first videos, ``(n, d)`` each.
    """

    def __init__(self, features: Iterable[NDArray[np.floating]] = ()) -> None:
        self.count = 0
        self._mean: Array = np.zeros(0)
        self._scatter: Array = np.zeros((0, 0))
        for each in features:
            self.add(each)

    def add(self, features: NDArray[np.floating]) -> None:
        """Take in ``(n, d)`` more (Chan et al. 1983: stable whatever the mean).

        Raises:
            InputError: d differs from that of earlier ones.
        """
        rows = np.asarray(features, dtype=np.float64)
        if self.count == 0:
            width = rows.shape[1]
            self._mean, self._scatter = np.zeros(width), np.zeros((width, width))
        if rows.shape[1] != len(self._mean):
            raise InputError(
                f"Features of {rows.shape[1]} and of {len(self._mean)} numbers cannot be compared."
            )
        count, mean = len(rows), rows.mean(0)
        apart, total = mean - self._mean, self.count + count
        centred = rows - mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(apart, apart) * (self.count * count / total)
        self._mean = self._mean + apart * (count / total)
        self.count = total

    @property
    def mean(self) -> Array:
        """``(d,)``."""
        return self._mean

    @property
    def covariance(self) -> Array:
        """``(d, d)``, unbiased.

        Raises:
            InputError: there are fewer than two features.
        """
        if self.count < 2:
            raise InputError(f"A covariance needs at least 2 features, got {self.count}.")
        return self._scatter / (self.count - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """The squared Fréchet distance of two sets.

    Raises:
        InputError: a set has fewer than two features, or their dimensions differ.
    """
    if first.count >= 2 and second.count >= 2 and len(first.mean) != len(second.mean):
        raise InputError(
            f"Features of {len(first.mean)} and of {len(second.mean)} numbers cannot be compared."
        )
    one, two = first.covariance, second.covariance
    apart = first.mean - second.mean
    root = _root(one)
    cross = np.linalg.eigvalsh(root @ two @ root)
    shared = float(np.sqrt(cross.clip(min=0)).sum())
    found = float(apart @ apart + np.trace(one) + np.trace(two)) - 2 * shared
    return max(found, 0.0)


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root


class Reservoir:
    """A uniform choice of videos, of bounded size (algorithm R, Vitter 1985)."""

    def __init__(self, rows: int = RESERVOIR, seed: int = SEED) -> None:
        self.rows = rows
        self.seen = 0
        self.kept: list[NDArray[np.floating]] = []
        self._rng = np.random.default_rng(seed)

    def add(self, features: NDArray[np.floating]) -> None:
        """Offer one video's features."""
        most = max(2, self.rows // len(features))
        self.seen += 1
        if len(self.kept) < most:
            self.kept.append(features)
            return
        place = int(self._rng.integers(self.seen))
        if place < len(self.kept):
            self.kept[place] = features


def estimate(
    videos: Iterable[NDArray[np.floating]],
    reference: Iterable[NDArray[np.floating]],
    resamples: int = RESAMPLES,
) -> Estimate:
    """The Fréchet distance of two sets of videos, and how sure it is.

    The distance is that of all features. The interval comes from a reservoir of videos of each set:
    both are drawn again with replacement, video by video. Such draws repeat videos and so lie
    too high on the whole; only how they spread about their mean is used, narrowed by the square
    root of the share of the videos that the reservoir holds.

    Args:
        videos, reference: features ``(n, d)`` of one video each.
        resamples: how often.

    Raises:
        InputError: a set has fewer than two videos.
    """
    sums, chosen = zip(*(_taken(each) for each in (videos, reference)), strict=True)
    for name, pool in zip(("videos", "real videos"), chosen, strict=True):
        if pool.seen < 2:
            raise InputError(f"A Fréchet distance needs at least 2 {name}, got {pool.seen}.")
    value = frechet_distance(*sums)
    rng = np.random.default_rng(SEED)
    drawn = np.array([_redrawn(rng, chosen) for _ in range(resamples)])
    share = min(len(pool.kept) / pool.seen for pool in chosen)
    low, high = (np.percentile(drawn, [2.5, 97.5]) - drawn.mean()) * np.sqrt(share)
    return Estimate(
        value=value,
        low=max(0.0, value + float(low)),
        high=value + float(high),
        count=chosen[0].seen,
        reference=chosen[1].seen,
    )


def _taken(videos: Iterable[NDArray[np.floating]]) -> tuple[Moments, Reservoir]:
    moments, pool = Moments(), Reservoir()
    waiting: list[NDArray[np.floating]] = []
    for features in videos:
        pool.add(features)
        unlike = waiting and features.shape[1] != waiting[0].shape[1]
        # Every addition touches the whole covariance, so few rows are not worth one.
        if unlike or sum(map(len, waiting)) >= BLOCK:
            moments.add(np.concatenate(waiting))
            waiting = []
        waiting.append(features)
    if waiting:
        moments.add(np.concatenate(waiting))
    return moments, pool


def _redrawn(rng: np.random.Generator, pools: tuple[Reservoir, ...]) -> float:
    """The distance of two sets drawn again, by the singular values of ``B^T A``."""
    means, factors, traces = [], [], []
    for pool in pools:
        picks = rng.integers(len(pool.kept), size=len(pool.kept))
        # A video that is drawn twice counts twice; writing it down twice only costs time.
        drawn, times = np.unique(picks, return_counts=True)
        rows = np.concatenate([pool.kept[pick] for pick in drawn]).astype(np.float64)
        counts = np.repeat(times, [len(pool.kept[pick]) for pick in drawn])
        mean = counts @ rows / counts.sum()
        factor = (rows - mean) * np.sqrt(counts / (counts.sum() - 1))[:, None]
        means.append(mean)
        factors.append(factor)
        traces.append(float((factor**2).sum()))
    apart = means[0] - means[1]
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return float(apart @ apart + sum(traces) - 2 * shared)
