"""What an evaluation found: every score, every number of a set, and everything that failed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from kinema.config import from_mapping
from kinema.errors import InputError
from kinema.evaluation.intervals import interval
from kinema.evaluation.published import PublishedTable
from kinema.files import parse_json, read_bytes, write_atomically
from kinema.offers import Better, Need

FORMAT = "kinema.results/1"
SCORES_JSON = "scores.json"
SCORES_PARQUET = "scores.parquet"

#: ``not-applicable``: the item lacks what the metric needs. ``failed``: it could not be computed.
Status = Literal["ok", "not-applicable", "failed"]

#: Where something failed: reading the item, making (or finding) the video, or measuring it.
Stage = Literal["item", "video", "metric"]


@attrs.frozen(kw_only=True)
class ScoreRow:
    """One number of one video, or why there is none.

    Attributes:
        model, subset, item, seed: which video.
        metric: the number's name, such as ``md-vid[dis]``.
        offer: name of the metric that gave it; one metric may give several numbers.
        value: None unless the status is ``ok``.
        unit, better: of the metric.
        status: ``ok``, ``not-applicable`` or ``failed``.
        reason: why it is not ``ok``, in one line; empty if it is.
    """

    model: str
    subset: str
    item: str
    seed: int
    metric: str
    offer: str
    value: float | None = None
    unit: str = ""
    better: Better = "neither"
    status: Status = "ok"
    reason: str = ""


@attrs.frozen(kw_only=True)
class SummaryRow:
    """One number of all videos of a model and subset.

    Attributes:
        model, subset: which videos.
        metric: the number's name.
        offer: name of the metric that gave it.
        of: ``video`` (the mean of every video's number) or ``set`` (the number of the set).
        value, low, high: the number and the interval that holds it with 95 % confidence; None where
            there is none.
        count: videos that it is of.
        missing: videos for which it could not be computed.
        reference: videos of the reference set; 0 where there is none.
        unit, better: of the metric.
        reason: why there is no number; empty if there is one.
    """

    model: str
    subset: str
    metric: str
    offer: str
    of: Literal["video", "set"]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = 0
    missing: int = 0
    reference: int = 0
    unit: str = ""
    better: Better = "neither"
    reason: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return "n/a"
        if self.low is None or self.high is None:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@attrs.frozen(kw_only=True)
class Fault:
    """Something that failed; nothing is left out in silence.

    Attributes:
        stage: ``item`` (it could not be read), ``video`` or ``metric``.
        subset, item: which item.
        model, seed: which video; an item that cannot be read has neither.
        metric: the metric's name, at that stage.
        reason: in one line.
    """

    stage: Stage
    subset: str
    item: str
    reason: str
    model: str = ""
    seed: int | None = None
    metric: str = ""


@attrs.frozen(kw_only=True)
class ModelRecord:
    """A model that was evaluated.

    Attributes:
        name: in tables and folders.
        kind: ``backbone``, ``videos``, ``still``, ``real`` or ``function``.
        what: plain data that tells it from others: backbone, options, versions, hashes.
    """

    name: str
    kind: str
    what: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class MetricRecord:
    """A metric that was used.

    Attributes:
        name, summary: of its offer.
        of: ``video`` or ``set``.
        unit, better, needs, published, stands_in_for: as its offer says.
        options: it was built with.
        distribution, version: where it comes from.
    """

    name: str
    of: Literal["video", "set"]
    summary: str
    unit: str
    better: Better
    needs: tuple[Need, ...]
    published: str
    stands_in_for: str
    options: Mapping[str, Any]
    distribution: str
    version: str


@attrs.frozen(kw_only=True)
class Results:
    """What an evaluation found.

    Attributes:
        benchmark: its name.
        options: of the benchmark.
        seeds: of every item.
        subsets: items of each, unreadable ones included.
        models, metrics: what was evaluated, and by what.
        scores: one row per video and number, by model, item, seed and metric.
        summary: one row per model, subset and number.
        faults: what failed.
        published: tables of papers to stand beside it.
    """

    benchmark: str
    options: Mapping[str, Any]
    seeds: tuple[int, ...]
    subsets: Mapping[str, int]
    models: tuple[ModelRecord, ...]
    metrics: tuple[MetricRecord, ...]
    scores: tuple[ScoreRow, ...]
    summary: tuple[SummaryRow, ...]
    faults: tuple[Fault, ...] = ()
    published: tuple[PublishedTable, ...] = ()

    def rows(
        self, metric: str | None = None, model: str | None = None, subset: str | None = None
    ) -> tuple[ScoreRow, ...]:
        """The scores of a metric, model and subset; of all where one is not named."""
        wanted = {"metric": metric, "model": model, "subset": subset}
        return tuple(row for row in self.scores if _is(row, wanted))

    def value(self, metric: str, model: str, subset: str) -> SummaryRow:
        """The summary of one metric, model and subset.

        Raises:
            InputError: there is none.
        """
        wanted = {"metric": metric, "model": model, "subset": subset}
        for row in self.summary:
            if _is(row, wanted):
                return row
        known = sorted({row.metric for row in self.summary})
        raise InputError(
            f"There is no {metric!r} of the model {model!r} on {subset!r}. The metrics there are: "
            f"{', '.join(known) or 'none'}."
        )

    def markdown(self) -> str:
        """A table per subset, one row per metric and one column per model."""
        names = [model.name for model in self.models]
        parts = []
        for subset, count in self.subsets.items():
            rows = [row for row in self.summary if row.subset == subset]
            if not rows:
                continue
            lines = [f"### {subset} ({count} items)", ""]
            lines.append("| Metric | " + " | ".join(names) + " |")
            lines.append("| --- |" + " --- |" * len(names))
            for metric in dict.fromkeys(row.metric for row in rows):
                found = {row.model: row for row in rows if row.metric == metric}
                if all(row.value is None for row in found.values()):
                    continue
                first = next(iter(found.values()))
                lines.append(f"| {_title(first)} | " + " | ".join(map(_cell(found), names)) + " |")
            parts.append("\n".join(lines))
        parts += [f"- {_told(fault)}" for fault in self.faults]
        return "\n\n".join(parts) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"format": FORMAT, **attrs.asdict(self)}

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``scores.json`` and ``scores.parquet`` into a folder that exists.

        Raises:
            ExtraError: pyarrow is not installed.
            InputError: the folder cannot be written.
        """
        from kinema.evaluation.tables import write_parquet

        text = json.dumps(self.to_dict(), indent=1, sort_keys=True) + "\n"
        target = Path(folder)
        write_parquet(target / SCORES_PARQUET, self.scores)
        return write_atomically(
            target / SCORES_JSON, lambda part: part.write_text(text, encoding="utf-8")
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Results:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the folder holds no results, or others.
        """
        path = Path(folder) / SCORES_JSON
        try:
            text = read_bytes(path)
        except OSError as error:
            raise InputError(
                f"There are no results in {str(folder)!r}: {path.name} cannot be read "
                f"({error.strerror or error}). `kinema evaluate --out` writes it."
            ) from None
        data = parse_json(text, f"The file {str(path)!r}", InputError)
        form = data.get("format") if isinstance(data, dict) else None
        if form != FORMAT:
            raise InputError(f"{str(path)!r} must say 'format': {FORMAT!r}, got {form!r}.")
        try:
            return from_mapping(cls, {k: v for k, v in data.items() if k != "format"}, "A result")
        except InputError as error:
            raise InputError(f"{str(path)!r} is damaged: {error}") from None


def summarise(scores: Sequence[ScoreRow]) -> list[SummaryRow]:
    """The mean of every number of videos, by model and subset, in the order of ``scores``."""
    groups: dict[tuple[str, str, str], list[ScoreRow]] = {}
    for row in scores:
        groups.setdefault((row.model, row.subset, row.metric), []).append(row)
    return [_summary(rows) for rows in groups.values()]


def _summary(rows: Sequence[ScoreRow]) -> SummaryRow:
    first = rows[0]
    good = [(row.item, row.value) for row in rows if row.value is not None]
    common = {name: getattr(first, name) for name in ("model", "subset", "metric", "offer")}
    common |= {"unit": first.unit, "better": first.better, "of": "video"}
    missing = sum(row.status == "failed" for row in rows)
    if not good:
        reason = next((row.reason for row in rows if row.status == "failed"), first.reason)
        return SummaryRow(**common, missing=missing, reason=reason)
    found = interval(good)
    return SummaryRow(
        **common,
        value=found.mean,
        low=found.low,
        high=found.high,
        count=found.count,
        missing=missing,
    )


def one_line(error: BaseException) -> str:
    """What went wrong, for tables."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    return f"{type(error).__name__}: {text}"


def _is(row: Any, wanted: Mapping[str, str | None]) -> bool:
    return all(value is None or getattr(row, name) == value for name, value in wanted.items())


def _title(row: SummaryRow) -> str:
    arrow = {"less": " ↓", "more": " ↑", "neither": ""}[row.better]
    return f"{row.metric}{f' ({row.unit})' if row.unit else ''}{arrow}"


def _cell(found: Mapping[str, SummaryRow]) -> Any:
    def cell(model: str) -> str:
        row = found.get(model)
        if row is None or row.value is None:
            return "n/a"
        missing = f", {row.missing} missing" if row.missing else ""
        real = f", {row.reference} real" if row.reference else ""
        return f"{row} (N={row.count}{real}{missing})"

    return cell


def _told(fault: Fault) -> str:
    of = f" of {fault.model}, seed {fault.seed}" if fault.model else ""
    metric = f" {fault.metric}" if fault.metric else ""
    return f"failed: {fault.stage}{metric}, {fault.subset}/{fault.item}{of}: {fault.reason}"


def sorted_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Each once, in the order in which they came."""
    return tuple(dict.fromkeys(faults))
