"""How far raters agree: Krippendorff's alpha for names without an order.

Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import attrs


@attrs.frozen
class Disagreement:
    """Disagreement of pairable answers.

    Attributes:
        answers: those in units that two or more raters answered.
        observed: share of pairs of answers to one unit that differ.
        expected: share of all pairs of answers that differ.
    """

    answers: int
    observed: float
    expected: float

    @property
    def alpha(self) -> float | None:
        """1 for full agreement, 0 for that of chance.

        None if nothing can be paired, or if all answers are the same: nothing is known of whether
        raters would agree where they had to differ.
        """
        return 1 - self.observed / self.expected if self.expected else None


def disagreement(units: Iterable[Sequence[Hashable]]) -> Disagreement:
    """Of the answers of each unit; who gave them does not matter, and any may be missing."""
    paired = [Counter(unit) for unit in units if len(unit) > 1]
    totals: Counter[Hashable] = sum(paired, Counter())
    count = totals.total()
    if not count:
        return Disagreement(0, 0.0, 0.0)
    within = sum(
        (unit.total() ** 2 - sum(n * n for n in unit.values())) / (unit.total() - 1)
        for unit in paired
    )
    across = (count**2 - sum(n * n for n in totals.values())) / (count - 1)
    return Disagreement(count, within / count, across / count)


def alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha of the answers of each unit; None as in :class:`Disagreement`."""
    return disagreement(units).alpha


def pooled(parts: Iterable[Disagreement]) -> float | None:
    """One alpha over groups of units that have different answers to choose from.

    Disagreement is observed and expected within each group, and weighted by the answers there.
    Pooling the units themselves would count that groups differ in their names as agreement.
    """
    groups = [part for part in parts if part.answers]
    expected = sum(part.answers * part.expected for part in groups)
    observed = sum(part.answers * part.observed for part in groups)
    return 1 - observed / expected if expected else None
