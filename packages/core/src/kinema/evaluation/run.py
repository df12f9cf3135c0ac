"""Evaluating: list, share out, resume, gather."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from kinema.errors import Cancelled, InputError, suggestion
from kinema.evaluation.folder import (
    PLAN_FORMAT,
    Folder,
    check_plan,
    digest,
    read_json,
    write_json,
)
from kinema.evaluation.job import Desk, Job, Unit, Wanted, one_thread
from kinema.evaluation.models import BackboneModel, Model
from kinema.evaluation.published import PublishedTable, Tables, tables_of
from kinema.evaluation.results import (
    Fault,
    MetricRecord,
    ModelRecord,
    Results,
    ScoreRow,
    SummaryRow,
    one_line,
    sorted_faults,
    summarise,
)
from kinema.files import claimed
from kinema.found import Found
from kinema.interfaces import Benchmark, BenchmarkItem
from kinema.motion.canvas import Size
from kinema.offers import BENCHMARK, METRIC, SET_METRIC, MetricOffer, Need, SetMetricOffer
from kinema.plugins import Plugins

OnProgress = Callable[[int, int], None]
Cancel = Callable[[], bool]
Engine = Literal["local", "ray"]

#: Where the plugins' options of metrics come from: a name alone, or a name and its options.
Metrics = Sequence[str] | Mapping[str, Mapping[str, Any]]


@attrs.frozen(kw_only=True)
class _Known:
    """A metric that was asked for, and where it comes from."""

    found: Found[MetricOffer] | Found[SetMetricOffer]
    wanted: Wanted

    @property
    def record(self) -> MetricRecord:
        offer = self.found.offer
        return MetricRecord(
            name=offer.name,
            of=self.wanted.of,
            summary=offer.summary,
            unit=offer.unit,
            better=offer.better,
            needs=offer.needs,
            published=offer.published,
            stands_in_for=offer.stands_in_for,
            options=self.wanted.options,
            distribution=self.found.source.distribution,
            version=self.found.source.version,
        )


def evaluate(
    benchmark: str,
    models: str | Model | Sequence[str | Model],
    *,
    options: Mapping[str, Any] | None = None,
    metrics: Metrics = (),
    subsets: Sequence[str] = (),
    items: int | None = None,
    seeds: Sequence[int] = (0,),
    size: Size | None = None,
    frames: int | None = None,
    fps: float | None = None,
    published: Tables = (),
    out: str | os.PathLike[str] | None = None,
    engine: Engine = "local",
    workers: int = 1,
    plugins: Plugins | None = None,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> Results:
    """Make the videos of a benchmark's items with one model or several, and score them.

    What is in ``out`` already is not made again. A run may be killed at any time and begun anew:
    the results are the same, byte for byte. An item, a video or a metric that fails is reported
    (:attr:`Results.faults`), and the others go on.

    Args:
        benchmark: its name.
        models: names of backbones, or :mod:`models <kinema.evaluation.models>`.
        options: of the benchmark.
        metrics: names, of metrics of one video and of a set, or their options by name; those that
            the benchmark's offer names unless given.
        subsets: of the benchmark; all unless given.
        items: the first so many of each subset; all unless given.
        seeds: of every item.
        size: (width, height) of the videos, instead of that of the benchmark.
        frames: T, likewise.
        fps: frames per second, likewise.
        published: tables of papers, or files that hold one each, to stand beside the results; see
            :func:`kinema.evaluation.published.read_published`.
        out: folder for videos, records and results; a temporary one unless given.
        engine: ``local``, or ``ray``: items are spread over the cluster that ``RAY_ADDRESS`` names,
            or a Ray of this machine; ``out`` must be a folder that all nodes share.
        workers: processes, with the engine ``local`` and no plugins given; with ``ray``, tasks at
            once, 0 for as many as there are.
        plugins: where names are looked up; given plugins work in this process alone.
        on_progress: called with (videos, all videos).
        cancel: asked between videos; True ends the work.

    Returns:
        every score, mean, interval and fault.

    Raises:
        InputError: a name, an option or the folder cannot be used, or the benchmark's data is not
            there.
        WeightsError: weights are absent.
        ExtraError: what a metric or the engine needs is not installed.
        Cancelled: ``cancel`` said so; what is finished stays.
    """
    papers = tables_of(published)
    found = plugins or Plugins.installed()
    offer = found.find(BENCHMARK, benchmark).offer
    config = found.configure(BENCHMARK, benchmark, options)
    plain = _plain(config)
    built: Benchmark = found.build(BENCHMARK, benchmark, config)
    chosen = select(built.items(), subsets, items)
    known = _metrics(found, metrics or offer.metrics)
    made = _models(models)
    whats = {model.name: {"kind": model.kind, **model.what(found)} for model in made}
    _check(made, seeds, engine)
    with tempfile.TemporaryDirectory() if out is None else nullcontext(out) as path:
        folder = Folder(Path(path).resolve())
        job = Job(
            out=str(folder.path),
            benchmark=benchmark,
            options=plain,
            models=made,
            identities={name: digest([what, size, frames, fps]) for name, what in whats.items()},
            metrics=tuple(each.wanted for each in known),
            size=size,
            frames=frames,
            fps=fps,
        )
        desk = Desk(job, plugins, built)
        for wanted in job.metrics:  # what cannot be built is said before hours of work
            desk.metric(wanted)
        plan = {
            "format": PLAN_FORMAT,
            "benchmark": benchmark,
            "options": json.loads(json.dumps(plain)),
            "form": [list(size) if size else None, frames, fps],
            "items": digest([[each.key, each.subset, *each.place] for each in built.items()]),
            "models": json.loads(json.dumps(whats)),
            "metrics": {each.wanted.name: _told(each) for each in known},
            "seeds": list(seeds),
        }
        check_plan(folder, plan)
        with claimed(folder.path, "evaluation"):
            folder.sweep()
            write_json(folder.plan, check_plan(folder, plan))
            units = _units(job, chosen, seeds)
            _run(desk, units, plugins, engine, workers, on_progress, cancel)
            results = _gather(desk, known, whats, chosen, seeds, papers)
            results.save(folder.path)
    return results


# -- what to do -----------------------------------------------------------------------------------


def select(
    items: Sequence[BenchmarkItem], subsets: Sequence[str] = (), count: int | None = None
) -> list[BenchmarkItem]:
    """The first ``count`` items of each of the named subsets; all of all unless given.

    Raises:
        InputError: there is no item, a name occurs twice, or a subset is unknown.
    """
    if not items:
        raise InputError("The benchmark has no item.")
    twice, times = Counter((each.subset, each.key) for each in items).most_common(1)[0]
    if times > 1:
        raise InputError(f"The benchmark has the item {twice[1]!r} twice in {twice[0]!r}.")
    there = list(dict.fromkeys(each.subset for each in items))
    for name in subsets:
        if name not in there:
            raise InputError(
                f"The benchmark has no subset {name!r}.{suggestion(name, there)} Choose out of: "
                f"{', '.join(there)}."
            )
    if count is not None and count < 1:
        raise InputError(f"At least one item of each subset is needed, got {count!r}.")
    chosen: list[BenchmarkItem] = []
    for name in there:
        if not subsets or name in subsets:
            chosen += [each for each in items if each.subset == name][:count]
    return chosen


def _models(models: str | Model | Sequence[str | Model]) -> tuple[Model, ...]:
    several = [models] if isinstance(models, (str, Model)) else list(models)
    return tuple(
        BackboneModel(backbone=each) if isinstance(each, str) else each for each in several
    )


def _check(models: Sequence[Model], seeds: Sequence[int], engine: str) -> None:
    if not models or not seeds:
        raise InputError(
            f"An evaluation needs models and seeds; got {len(models)} and {len(seeds)} of them."
        )
    for what, given in (
        ("model", [each.name for each in models]),
        ("seed", [str(seed) for seed in seeds]),
    ):
        twice = sorted({one for one in given if given.count(one) > 1})
        if twice:
            raise InputError(f"An evaluation has the same {what} twice: {', '.join(twice)}.")
    if engine not in ("local", "ray"):
        raise InputError(f"Unknown engine {engine!r}. Choose one of: local, ray.")


def _metrics(plugins: Plugins, metrics: Metrics) -> list[_Known]:
    named = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    if not named:
        raise InputError("An evaluation needs a metric, and the benchmark names none itself.")
    known = []
    of_set = {item.offer.name for item in plugins.all(SET_METRIC)}
    of_video = {item.offer.name for item in plugins.all(METRIC)}
    for name, options in named.items():
        if name not in of_set | of_video:
            choices = sorted(of_set | of_video)
            raise InputError(
                f"Unknown metric {name!r}.{suggestion(name, choices)} Choose out of: "
                f"{', '.join(choices) or 'none'}.{plugins.doubts()}"
            )
        kind: Any = SET_METRIC if name in of_set else METRIC
        found = plugins.find(kind, name)
        config = plugins.configure(kind, name, options)
        needs: tuple[Need, ...] = found.offer.needs
        wanted = Wanted(
            name=name,
            of="set" if name in of_set else "video",
            needs=needs,
            options=json.loads(json.dumps(_plain(config))),
            version=found.source.version,
        )
        known.append(_Known(found=found, wanted=wanted))
    return known


def _plain(config: Any) -> dict[str, Any]:
    found = attrs.asdict(config, value_serializer=lambda *field: _text(field[2]))
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _told(known: _Known) -> dict[str, Any]:
    wanted = known.wanted
    return {
        "of": wanted.of,
        "options": wanted.options,
        "distribution": known.found.source.distribution,
        "version": wanted.version,
    }


def _units(job: Job, items: Sequence[BenchmarkItem], seeds: Sequence[int]) -> list[Unit]:
    units: list[Unit] = []
    if any("reference" in wanted.needs for wanted in job.metrics):
        units += [("", item, 0) for item in items]
    for model in job.models:
        units += [(model.name, item, seed) for item in items for seed in seeds]
    return units


# -- who does it ----------------------------------------------------------------------------------


def _run(
    desk: Desk,
    units: Sequence[Unit],
    plugins: Plugins | None,
    engine: str,
    workers: int,
    on_progress: OnProgress | None,
    cancel: Cancel | None,
) -> None:
    say, done = on_progress or (lambda step, steps: None), 0
    say(0, len(units))
    for count in _done(desk, units, plugins, engine, workers):
        done += count
        say(done, len(units))
        if cancel is not None and cancel():
            raise Cancelled("The evaluation was cancelled; finished videos stay.")


def _done(
    desk: Desk, units: Sequence[Unit], plugins: Plugins | None, engine: str, workers: int
) -> Iterator[int]:
    """Counts of units, as they are finished."""
    alone = plugins is not None or any(each.kind == "function" for each in desk.job.models)
    if engine == "ray":
        if alone:
            raise InputError("The engine 'ray' cannot run given plugins or functions.")
        from kinema.evaluation.engines import on_ray

        yield from on_ray(desk.job, units, workers)
    elif workers > 1 and not alone:
        from kinema.evaluation.engines import in_processes

        yield from in_processes(desk.job, units, workers)
    else:
        try:
            for unit in units:
                with one_thread():
                    desk.do(unit)
                yield 1
        finally:
            desk.close()


# -- what came of it ------------------------------------------------------------------------------


def _gather(
    desk: Desk,
    known: Sequence[_Known],
    whats: Mapping[str, Mapping[str, Any]],
    items: Sequence[BenchmarkItem],
    seeds: Sequence[int],
    published: tuple[PublishedTable, ...],
) -> Results:
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
    known: Sequence[_Known],
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
    known: Sequence[_Known],
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
    known: _Known,
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
