"""Evaluating: list, share out, resume, gather."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from kinema.errors import Cancelled, InputError, suggestion
from kinema.evaluation.asked import Metrics, asked_metrics, plain
from kinema.evaluation.folder import (
    PLAN_FORMAT,
    Folder,
    check_plan,
    digest,
    write_json,
)
from kinema.evaluation.gathering import gather
from kinema.evaluation.job import Desk, Job, Unit, one_thread
from kinema.evaluation.models import FILES, BackboneModel, Model
from kinema.evaluation.published import Tables, tables_of
from kinema.evaluation.results import (
    Results,
)
from kinema.files import claimed
from kinema.interfaces import Benchmark, BenchmarkItem
from kinema.motion.canvas import Size
from kinema.offers import BENCHMARK
from kinema.outputs import check_folder
from kinema.plugins import Plugins

OnProgress = Callable[[int, int], None]
Cancel = Callable[[], bool]
Engine = Literal["local", "ray"]


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
    written = plain(config)
    made = _models(models)
    if out is not None:
        videos = [getattr(model, "folder", None) for model in made]
        check_folder(out, (*videos, *(written[name] for name in FILES if name in written)))
    built: Benchmark = found.build(BENCHMARK, benchmark, config)
    chosen = select(built.items(), subsets, items)
    known = asked_metrics(found, metrics or offer.metrics)
    whats = {model.name: {"kind": model.kind, **model.what(found)} for model in made}
    _check(made, seeds, engine)
    with tempfile.TemporaryDirectory() if out is None else nullcontext(out) as path:
        folder = Folder(Path(path).resolve())
        job = Job(
            out=str(folder.path),
            benchmark=benchmark,
            options=written,
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
            "options": written,
            "form": [list(size) if size else None, frames, fps],
            "items": digest([[each.key, each.subset, *each.place] for each in built.items()]),
            "models": json.loads(json.dumps(whats)),
            "metrics": {each.wanted.name: each.told for each in known},
            "seeds": list(seeds),
        }
        check_plan(folder, plan)
        with claimed(folder.path, "evaluation"):
            folder.sweep()
            write_json(folder.plan, check_plan(folder, plan))
            units = _units(job, chosen, seeds)
            _run(desk, units, plugins, engine, workers, on_progress, cancel)
            results = gather(desk, known, whats, chosen, seeds, papers)
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
