"""What an evaluation came to, read from the records that its workers left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.errors import InputError
from kinema.evaluation.asked import Asked
from kinema.evaluation.folder import read_json
from kinema.evaluation.job import Desk
from kinema.evaluation.published import PublishedTable
from kinema.evaluation.results import (
    Fault,
    ModelRecord,
    Results,
    ScoreRow,
    SummaryRow,
    one_line,
    sorted_faults,
    summarise,
)
from kinema.interfaces import BenchmarkItem


def gather(
    desk: Desk,
    known: Sequence[Asked],
    whats: Mapping[str, Mapping[str, Any]],
    items: Sequence[BenchmarkItem],
    seeds: Sequence[int],
    published: tuple[PublishedTable, ...],
) -> Results:
    """The scores, the numbers of sets and the faults, as the records of the folder say them.

    Args:
        whats: what each model is, by its name.
    """
    scores: list[ScoreRow] = []
    faults: list[Fault] = []
    for model in desk.job.models:
        for item in items:
            for seed in seeds:
                record = read_json(desk.job.folder.record(model.name, item, seed)) or {}
                scores += _rows(model.name, item, seed, record, known)
                faults += _faults(model.name, item, seed, record, known)
    subsets = list(dict.fromkeys(item.subset for item in items))
    sets = [
        _of_set(desk, each, model.name, [i for i in items if i.subset == subset], seeds)
        for model in desk.job.models
        for subset in subsets
        for each in known
        if each.wanted.of == "set"
    ]
    return Results(
        benchmark=desk.job.benchmark,
        options=desk.job.options,
        seeds=tuple(seeds),
        subsets={name: sum(item.subset == name for item in items) for name in subsets},
        models=tuple(
            ModelRecord(
                name=each.name,
                kind=each.kind,
                what={key: value for key, value in whats[each.name].items() if key != "kind"},
            )
            for each in desk.job.models
        ),
        metrics=tuple(each.record for each in known),
        scores=tuple(scores),
        summary=(*summarise(scores), *sets),
        faults=sorted_faults(faults),
        published=published,
    )


def _rows(
    model: str,
    item: BenchmarkItem,
    seed: int,
    record: Mapping[str, Any],
    known: Sequence[Asked],
) -> Iterator[ScoreRow]:
    for each in known:
        if each.wanted.of == "set":
            continue
        offer = each.found.offer
        found = record.get("metrics", {}).get(offer.name, {})
        common: dict[str, Any] = {
            "model": model,
            "subset": item.subset,
            "item": item.key,
            "seed": seed,
            "offer": offer.name,
            "unit": offer.unit,
            "better": offer.better,
        }
        if found.get("status") == "ok":
            for name, value in found["values"].items():
                yield ScoreRow(**common, metric=name, value=value)
        else:
            yield ScoreRow(
                **common,
                metric=offer.name,
                status=found.get("status", "failed"),
                reason=found.get("reason") or record.get("error", "it was not made"),
            )


def _faults(
    model: str,
    item: BenchmarkItem,
    seed: int,
    record: Mapping[str, Any],
    known: Sequence[Asked],
) -> Iterator[Fault]:
    where: dict[str, Any] = {"subset": item.subset, "item": item.key}
    if record.get("stage") == "item":
        yield Fault(stage="item", **where, reason=record["error"])
    elif "error" in record:
        yield Fault(stage="video", **where, model=model, seed=seed, reason=record["error"])
    asked = {each.wanted.name for each in known}
    for name, found in record.get("metrics", {}).items():
        if name in asked and found["status"] == "failed":
            yield Fault(
                stage="metric",
                **where,
                model=model,
                seed=seed,
                metric=name,
                reason=found["reason"],
            )


def _of_set(
    desk: Desk,
    known: Asked,
    model: str,
    items: Sequence[BenchmarkItem],
    seeds: Sequence[int],
) -> SummaryRow:
    offer, folder = known.found.offer, desk.job.folder
    common: dict[str, Any] = {
        "model": model,
        "subset": items[0].subset,
        "metric": offer.name,
        "offer": offer.name,
        "of": "set",
        "unit": offer.unit,
        "better": offer.better,
    }
    paths = [folder.features(model, offer.name, item, seed) for item in items for seed in seeds]
    real = [folder.reference(offer.name, item) for item in items]
    there = [path for path in paths if path.is_file()]
    missing = len(paths) - len(there)
    try:
        estimate = desk.metric(known.wanted).score(
            _features(there), _features([path for path in real if path.is_file()])
        )
    except InputError as error:
        return SummaryRow(**common, missing=missing, reason=one_line(error))
    return SummaryRow(**common, **attrs.asdict(estimate), missing=missing)


def _features(paths: Iterable[Path]) -> Iterator[NDArray[np.float32]]:
    for path in paths:
        yield np.load(path, allow_pickle=False)
