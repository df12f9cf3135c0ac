"""Two models compared on every number that both have of the same videos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from kinema.errors import InputError
from kinema_apps.report.paired import RESAMPLES, Paired, compare_pairs, holm

if TYPE_CHECKING:
    from kinema.evaluation import Results, ScoreRow, SummaryRow
    from kinema.offers import Better

FORMAT = "kinema.comparison/1"

#: A corrected p value below this is a difference.
LEVEL = 0.05

#: Who is better: the first, the second, nobody for sure, or it is no matter of better or worse.
Verdict = Literal["a", "b", "unsure", "differs"]


@attrs.frozen(kw_only=True)
class Compared:
    """One number of two models.

    Attributes:
        subset, metric, unit, better: which number.
        paired: B less A over the items.
        p_bootstrap, p_sign: corrected after Holm, each for all rows of the comparison.
    """

    subset: str
    metric: str
    unit: str
    better: Better
    paired: Paired
    p_bootstrap: float
    p_sign: float

    @property
    def verdict(self) -> Verdict:
        """Who is better, by the corrected bootstrap."""
        if self.p_bootstrap >= LEVEL or self.paired.difference == 0:
            return "unsure"
        if self.better == "neither":
            return "differs"
        return "b" if (self.paired.difference > 0) == (self.better == "more") else "a"

    @property
    def better_in(self) -> int | None:
        """In how many items B is the better one; None where no number is."""
        if self.better == "neither":
            return None
        return self.paired.higher if self.better == "more" else self.paired.lower

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; what is infinite is null."""
        numbers = attrs.asdict(self.paired)
        return {
            "subset": self.subset,
            "metric": self.metric,
            "unit": self.unit,
            "better": self.better,
            **{name: v if math.isfinite(v) else None for name, v in numbers.items()},
            "p_bootstrap_alone": self.paired.p_bootstrap,
            "p_sign_alone": self.paired.p_sign,
            "p_bootstrap": self.p_bootstrap,
            "p_sign": self.p_sign,
            "better_in": self.better_in,
            "verdict": self.verdict,
        }


@attrs.frozen(kw_only=True)
class Comparison:
    """Two models on one benchmark.

    Attributes:
        a, b: what they are called.
        rows: every number that both have of at least two items.
        unmatched: videos that only one of them has, or that failed for one.
        left_out: numbers that were not compared, and why.
        sets: numbers of sets, which have no items to compare: (of A, of B).
    """

    a: str
    b: str
    rows: tuple[Compared, ...]
    unmatched: int
    left_out: tuple[str, ...]
    sets: tuple[tuple[SummaryRow, SummaryRow], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "format": FORMAT,
            "a": self.a,
            "b": self.b,
            "unmatched": self.unmatched,
            "left_out": list(self.left_out),
            "rows": [row.to_dict() for row in self.rows],
            "sets": [[attrs.asdict(each) for each in pair] for pair in self.sets],
        }

    def markdown(self) -> str:
        """A table of the rows, and what was not compared."""
        several = len({row.subset for row in self.rows}) > 1
        lines = [
            f"A is {self.a}, B is {self.b}. P values are corrected for {len(self.rows)} numbers "
            "(Holm).",
            "",
            "| Number | Items | A | B | B - A | 95 % interval | d | B better in | p (bootstrap) "
            "| p (sign) | So |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_line(row, several) for row in self.rows]
        notes = list(self.left_out)
        if self.unmatched:
            notes.append(f"{self.unmatched} videos are scored of one of the two only.")
        for a, b in self.sets:
            notes.append(
                f"{a.subset}, {a.metric}: a number of a set, which has no items to pair. "
                f"A {a} (N={a.count}), B {b} (N={b.count})."
            )
        return "\n".join([*lines, "", *(f"- {each}" for each in notes)]).rstrip() + "\n"


_SO = {"a": "A is better", "b": "B is better", "unsure": "not told apart", "differs": "they differ"}


def _line(row: Compared, several: bool) -> str:
    one = row.paired
    arrow = {"less": " ↓", "more": " ↑", "neither": ""}[row.better]
    part = f"{row.subset}: " if several else ""
    unit = f" ({row.unit})" if row.unit else ""
    share = "n/a" if row.better_in is None else f"{row.better_in} of {one.count}"
    cells = (
        f"{part}{row.metric}{unit}{arrow}", f"{one.count}", f"{one.mean_a:.3g}",
        f"{one.mean_b:.3g}", f"{one.difference:+.3g}", f"{one.low:.3g} to {one.high:.3g}",
        f"{one.standardised:.2f}", share, _p(row.p_bootstrap), _p(row.p_sign), _SO[row.verdict],
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def compare_results(
    a: Results,
    model_a: str,
    b: Results,
    model_b: str,
    *,
    names: tuple[str, str] | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare a model of one evaluation with a model of another (or of the same).

    The mean over the seeds that both have of an item is one value.

    Args:
        a, b: the evaluations.
        model_a, model_b: a model of each.
        names: what to call the two; their models' names unless given.
        resamples: of the bootstrap.

    Raises:
        InputError: a model is unknown, the benchmarks differ, or the two have nothing in common.
    """
    for results, model in ((a, model_a), (b, model_b)):
        _check_model(results, model)
    if (a.benchmark, dict(a.options)) != (b.benchmark, dict(b.options)):
        raise InputError(
            f"The evaluations are of different items: {a.benchmark!r} with {dict(a.options)!r}, "
            f"and {b.benchmark!r} with {dict(b.options)!r}. Evaluate both models on one benchmark."
        )
    first, second = _values(a, model_a), _values(b, model_b)
    found, left_out, lonely = [], [], set()
    for key in dict.fromkeys([*first, *second]):
        ours, theirs = first.get(key, {}), second.get(key, {})
        lonely |= {(key[0], *video) for video in ours.keys() ^ theirs.keys()}
        pairs = _by_item(ours, theirs)
        if len(pairs) < 2:
            left_out.append(f"{key[0]}, {key[1]}: {len(pairs)} items in common, too few.")
            continue
        x, y = zip(*pairs, strict=True)
        found.append((key, compare_pairs(x, y, resamples)))
    if not found:
        raise InputError(
            f"{model_a!r} and {model_b!r} have no number of two items in common. "
            + " ".join(left_out)
        )
    units = {(r.subset, r.metric): (r.unit, r.better) for r in (*a.summary, *b.summary)}
    bootstrap = holm([paired.p_bootstrap for _, paired in found])
    sign = holm([paired.p_sign for _, paired in found])
    rows = [
        Compared(
            subset=subset,
            metric=metric,
            unit=units[subset, metric][0],
            better=units[subset, metric][1],
            paired=paired,
            p_bootstrap=p_bootstrap,
            p_sign=p_sign,
        )
        for ((subset, metric), paired), p_bootstrap, p_sign in zip(
            found, bootstrap, sign, strict=True
        )
    ]
    given = names or (model_a, model_b)
    return Comparison(
        a=given[0],
        b=given[1],
        rows=tuple(rows),
        unmatched=len(lonely),
        left_out=tuple(left_out),
        sets=tuple(_sets(a, model_a, b, model_b)),
    )


def _check_model(results: Results, model: str) -> None:
    known = [each.name for each in results.models]
    if model not in known:
        raise InputError(
            f"The evaluation has no model {model!r}. Choose one of: {', '.join(known)}."
        )


#: Values of one number, by item and seed.
_Videos = dict[tuple[str, int], float]


def _values(results: Results, model: str) -> dict[tuple[str, str], _Videos]:
    """By subset and number, in the order of the results."""
    found: dict[tuple[str, str], _Videos] = {}
    rows: Sequence[ScoreRow] = results.rows(model=model)
    for row in rows:
        if row.value is not None:
            found.setdefault((row.subset, row.metric), {})[row.item, row.seed] = row.value
    return found


def _by_item(a: _Videos, b: _Videos) -> list[tuple[float, float]]:
    """Means over the seeds that both have, for each item."""
    items: dict[str, list[tuple[float, float]]] = {}
    for video, value in a.items():
        if video in b:
            items.setdefault(video[0], []).append((value, b[video]))
    return [(float(x), float(y)) for x, y in (np.mean(values, axis=0) for values in items.values())]


def _sets(
    a: Results, model_a: str, b: Results, model_b: str
) -> list[tuple[SummaryRow, SummaryRow]]:
    theirs = {(r.subset, r.metric): r for r in b.summary if r.of == "set" and r.model == model_b}
    return [
        (row, theirs[row.subset, row.metric])
        for row in a.summary
        if row.of == "set" and row.model == model_a and (row.subset, row.metric) in theirs
    ]
