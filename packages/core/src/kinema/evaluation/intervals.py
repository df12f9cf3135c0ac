"""How sure a mean is."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np

#: How often the scores are drawn again for an interval, and the seed of that.
RESAMPLES = 2000
BOOTSTRAP_SEED = 0


@attrs.frozen(kw_only=True)
class Interval:
    """A mean over items and seeds, and the interval that holds it with 95 % confidence.

    Attributes:
        mean: of the items' means.
        low, high: percentiles 2.5 and 97.5 of the means of resampled items and seeds (Efron 1979).
        count: videos.
    """

    mean: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def interval(scores: Iterable[tuple[str, float]]) -> Interval:
    """Of (item, value) pairs, at least one; the values of one item are those of its seeds."""
    found: dict[str, list[float]] = {}
    for item, value in scores:
        found.setdefault(item, []).append(value)
    groups = [np.array(values) for values in found.values()]
    means = np.array([group.mean() for group in groups])
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    # Seeds of one item are more alike than items, so both levels are drawn again.
    redrawn = [
        group[rng.integers(len(group), size=(RESAMPLES, len(groups), len(group)))].mean(-1)
        if len(group) > 1
        else None
        for group in groups
    ]
    picks = rng.integers(len(groups), size=(RESAMPLES, len(groups)))
    if all(each is None for each in redrawn):
        drawn = means[picks].mean(-1)
    else:
        columns, rows = np.arange(len(groups)), np.arange(RESAMPLES)[:, None]
        full = [
            np.broadcast_to(mean, (RESAMPLES, len(groups))) if each is None else each
            for each, mean in zip(redrawn, means, strict=True)
        ]
        drawn = np.stack(full)[picks, rows, columns].mean(-1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(
        mean=float(means.mean()),
        low=float(low),
        high=float(high),
        count=sum(len(group) for group in groups),
    )
