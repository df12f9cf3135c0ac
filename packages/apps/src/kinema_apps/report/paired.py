"""Two sets of scores of the same items, compared item by item.

Items differ far more from one another than models do, so models are compared on the differences
within the items. Nothing is assumed of how the differences are distributed.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError

#: How often the differences are drawn again, and the seed of that.
RESAMPLES = 10_000
SEED = 0

#: Resamples at once; bounds the memory for many items.
_CHUNK = 500

Floats = NDArray[np.float64]


@attrs.frozen(kw_only=True)
class Paired:
    """How the scores of B differ from those of A over the same ``count`` items.

    Attributes:
        count: items that both have.
        mean_a, mean_b: means over those items.
        difference: mean of B minus A.
        low, high: 95 % interval of the mean difference, by the bootstrap-t of Efron and Tibshirani
            (1993), section 12.5, with the same reach to both sides. It is very wide below about ten
            items, and infinite for two or three.
        p_bootstrap: two-sided, of the same bootstrap: how often the studentised mean of differences
            without an effect is as far from 0. The interval excludes 0 where this is below 0.05.
        p_sign: two-sided, of the exact sign test; equal items are left out.
        higher, lower, equal: in how many items B's score is higher, lower, and the same.
        standardised: Cohen's d of paired values (d_z): the mean difference over the standard
            deviation of the differences. Infinite if every item differs by the same.
        dominance: the share of items where B is higher less that where B is lower, in [-1, 1].
    """

    count: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    p_bootstrap: float
    p_sign: float
    higher: int
    lower: int
    equal: int
    standardised: float
    dominance: float


def compare_pairs(a: Sequence[float], b: Sequence[float], resamples: int = RESAMPLES) -> Paired:
    """Compare one score of two models over the same items, in the same order.

    Args:
        a, b: one number per item, at least 2.
        resamples: how often the items are drawn again.

    Raises:
        InputError: the lengths differ, there are fewer than 2 items, or a number is not finite.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise InputError(
            f"Paired scores must be two lists of the same length, with at least 2 items; got "
            f"shapes {first.shape!r} and {second.shape!r}."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("Paired scores must be finite numbers. Leave out items that failed.")
    differences = second - first
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1))
    higher, lower = int((differences > 0).sum()), int((differences < 0).sum())
    low, high, p = _bootstrap(differences, resamples)
    return Paired(
        count=len(differences),
        mean_a=float(first.mean()),
        mean_b=float(second.mean()),
        difference=mean,
        low=low,
        high=high,
        p_bootstrap=p,
        p_sign=sign_test(higher, lower),
        higher=higher,
        lower=lower,
        equal=len(differences) - higher - lower,
        standardised=mean / spread if spread else float(np.copysign(np.inf, mean)) if mean else 0.0,
        dominance=(higher - lower) / len(differences),
    )


def sign_test(higher: int, lower: int) -> float:
    """Two-sided p of ``higher`` and ``lower`` signs under even odds; 1 where there is none."""
    from scipy.stats import binomtest

    return float(binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for how many there are (Holm 1979), in the order given.

    Those below a level after it hold together, with that chance of even one false finding.

    Raises:
        InputError: one is outside [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise InputError(f"P values lie in [0, 1], got {list(p_values)!r}.")
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _bootstrap(differences: Floats, resamples: int) -> tuple[float, float, float]:
    """Interval of the mean and two-sided p, from studentised means of resamples."""
    count, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / count**0.5
    if not error:
        # Every item says the same: nothing is left to draw.
        return mean, mean, 1.0 if mean == 0 else 1 / (resamples + 1)
    rng = np.random.default_rng(SEED)
    centred, drawn = differences - mean, np.empty(resamples)
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        sample = centred[rng.integers(count, size=(size, count))]
        means, errors = sample.mean(-1), sample.std(-1, ddof=1) / count**0.5
        # A resample of one item alone has no spread; it counts as infinitely far to its side.
        far = np.where(means == 0, 0.0, np.copysign(np.inf, means))
        drawn[start : start + size] = np.divide(means, errors, out=far, where=errors > 0)
    drawn = np.sort(np.abs(drawn))
    beyond = resamples - int(np.searchsorted(drawn, abs(mean) / error * (1 - 1e-12)))
    # The rank that makes p < 0.05 and an interval without 0 one and the same.
    rank = min(resamples - 1, resamples - int(0.05 * (resamples + 1)))
    reach = float(drawn[rank]) * error
    return mean - reach, mean + reach, (beyond + 1) / (resamples + 1)
