"""A paper's own numbers, and where they and those of an evaluation stand beside each other."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kinema.errors import InputError
from kinema.files import parse_json, read_text

if TYPE_CHECKING:
    from kinema.evaluation.results import MetricRecord, ModelRecord, Results, SummaryRow

FORMAT = "kinema.published/1"


def _numbers(given: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {
        method: {name: _number(value) for name, value in numbers.items()}
        for method, numbers in given.items()
    }


def _number(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


@attrs.frozen(kw_only=True)
class PublishedTable:
    """A table of a paper.

    Attributes:
        source: paper and table, so that a reader finds it.
        protocol: how its numbers were made: items, weights, networks of the metrics.
        subset: of the benchmark that it is of; empty for the whole.
        numbers: by method, called as a model of an evaluation is, and by the published metric's
            name, as metrics say it in ``published`` and ``stands_in_for`` (``MD-Vid``).

    Raises:
        InputError: there is no number, or one is not finite.
    """

    source: str
    protocol: str = ""
    subset: str = ""
    numbers: Mapping[str, Mapping[str, float]] = attrs.field(converter=_numbers)

    def __attrs_post_init__(self) -> None:
        values = [value for numbers in self.numbers.values() for value in numbers.values()]
        if not values or not all(map(math.isfinite, values)):
            raise InputError(
                f"The published table {self.source!r} needs numbers, all finite; got {values!r}."
            )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that it has, in its order."""
        return tuple(dict.fromkeys(name for each in self.numbers.values() for name in each))


#: Tables themselves, or paths of files that hold one each.
Tables = Sequence[PublishedTable | str | os.PathLike[str]]


def read_published(path: str | os.PathLike[str]) -> PublishedTable:
    """A table that somebody typed in.

    The form is ``{"format": "kinema.published/1", "source": "...", "protocol": "...", "subset":
    "", "numbers": {METHOD: {METRIC: NUMBER}}}``; protocol and subset may be left out.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    name = os.fspath(path)
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The published table {name!r} cannot be read: {reason}.") from None
    data = parse_json(text, f"The published table {name!r}", InputError)
    form = data.get("format") if isinstance(data, dict) else None
    if form != FORMAT:
        raise InputError(f"{name!r} must say 'format': {FORMAT!r}, got {form!r}.")
    try:
        return table_of({key: value for key, value in data.items() if key != "format"})
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{name!r} must hold 'source' and 'numbers' {{METHOD: {{METRIC: NUMBER}}}}, and "
            f"perhaps 'protocol' and 'subset': {error}."
        ) from None


def table_of(data: Mapping[str, Any]) -> PublishedTable:
    """From plain data.

    Raises:
        TypeError, ValueError, AttributeError: it is something else.
        InputError: there is no number, or one is not finite.
    """
    for name in ("source", "protocol", "subset"):
        if not isinstance(data.get(name, ""), str):
            raise TypeError(f"{name!r} is text, not {data[name]!r}")
    return PublishedTable(**data)


def tables_of(given: Tables) -> tuple[PublishedTable, ...]:
    """The tables, read where paths name them.

    Raises:
        InputError: one cannot be read.
    """
    several: Iterable[Any] = [given] if isinstance(given, (str, os.PathLike)) else given
    return tuple(
        each if isinstance(each, PublishedTable) else read_published(each) for each in several
    )


@attrs.frozen(kw_only=True)
class Beside:
    """One published number and those of the evaluation that stand beside it.

    Attributes:
        method: in the paper, or a model of the evaluation that the paper does not have.
        metric: the published metric's name.
        published: None if the paper does not have it.
        here: of the model of that name, by the metric itself or by what stands in for it; empty if
            it was not evaluated.
    """

    method: str
    metric: str
    published: float | None
    here: tuple[SummaryRow, ...]


def beside(
    results: Results, table: PublishedTable, more: Sequence[SummaryRow] = ()
) -> list[Beside]:
    """A published table beside the evaluation: the paper's methods first, then further models.

    Args:
        results: of the evaluation.
        table: of the paper.
        more: numbers that the results do not hold, such as times.
    """
    methods = dict.fromkeys([*table.numbers, *(model.name for model in results.models)])
    rows = [
        row
        for row in (*results.summary, *more)
        if not table.subset or row.subset in (table.subset, "")
    ]
    offers = {name: _offers(results, name) for name in table.metrics}
    return [
        Beside(
            method=method,
            metric=name,
            published=table.numbers.get(method, {}).get(name),
            here=tuple(
                row
                for row in rows
                if row.model == method and (row.metric == name or row.offer in offers[name])
            ),
        )
        for method in methods
        for name in table.metrics
    ]


def differences(results: Results, table: PublishedTable) -> list[str]:
    """What separates the numbers of the evaluation from those of the paper, in sentences."""
    found = [f"There: {table.protocol.rstrip('.')}."] if table.protocol else []
    subsets = {name: count for name, count in results.subsets.items() if table.subset in ("", name)}
    counts = ", ".join(f"{count} of {name}" for name, count in subsets.items()) or "none of these"
    found.append(f"Here: items: {counts}; videos of each: {len(results.seeds)}.")
    found += [_of_metric(results, name) for name in table.metrics if name != SECONDS]
    if SECONDS in table.metrics:
        found.append(f"{SECONDS} are those of the machine that made the videos here.")
    found += [_of_model(model) for model in results.models if model.name in table.numbers]
    return found


#: The name of a runtime in a published table.
SECONDS = "Seconds per video"


def _offers(results: Results, name: str) -> set[str]:
    return {
        record.name
        for record in results.metrics
        if name in (record.published, record.stands_in_for)
    }


def _of_metric(results: Results, name: str) -> str:
    of_name: list[MetricRecord] = [
        record for record in results.metrics if record.name in _offers(results, name)
    ]
    if not of_name:
        return f"{name} was not measured here."
    words = []
    for record in of_name:
        options = ", ".join(f"{key} {value}" for key, value in record.options.items() if value)
        with_ = f" ({options})" if options else ""
        if record.stands_in_for:
            words.append(
                f"{record.name}{with_} stands in for {name}: the order of methods may be compared "
                f"with the paper's, the numbers may not. It is: {record.summary}"
            )
        else:
            words.append(f"{record.name}{with_} is {name} as published.")
    return " ".join(words)


def _of_model(model: ModelRecord) -> str:
    what = model.what
    if model.kind == "videos":
        return f"{model.name} here: the videos in {what.get('folder', 'a folder')}."
    if model.kind != "backbone":
        return f"{model.name} here: {model.kind}, which has nothing but the name of the paper's."
    session = what.get("session", {})
    given = [f"{key} {session[key]}" for key in ("weights", "controller") if session.get(key)]
    rest = f"with {' and '.join(given)}" if given else "with the weights that it brings"
    return (
        f"{model.name} here: the backbone {what.get('backbone')} {rest}. Whether those are the "
        "paper's weights is not checked."
    )
