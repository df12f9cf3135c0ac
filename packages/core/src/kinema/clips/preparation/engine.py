"""Preparing: list, share out, resume, report."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import attrs

from kinema.clips.clip import arrow
from kinema.clips.preparation.config import ROLES, TRIES, PrepareConfig, digest
from kinema.clips.preparation.report import Report, write_report
from kinema.clips.preparation.shards import (
    FORMAT,
    PLAN,
    Job,
    Outcome,
    Workshop,
    finished,
    items_digest,
    make_shard,
    one_thread,
    work,
)
from kinema.device import pick_device
from kinema.errors import Cancelled, InputError, KinemaError
from kinema.files import claimed, parse_json, read_bytes, sha256_of_file
from kinema.interfaces import ClipForm, ClipItem
from kinema.offers import BACKBONE, CLIP_SOURCE, TRACKER
from kinema.outputs import check_folder
from kinema.plugins import Plugins

OnProgress = Callable[[int, int], None]
Cancel = Callable[[], bool]

#: Options that may name a file or folder.
PATHS = ("folder", "weights", "path")

#: A shard with its number.
Slice = tuple[int, Sequence[ClipItem]]


def prepare(
    config: PrepareConfig,
    *,
    plugins: Plugins | None = None,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> Report:
    """Turn a clip source into shards that training reads, and report on it.

    What is finished already is not made again, and the folder ends up the same, byte for byte,
    however often the work was interrupted.

    Args:
        config: everything that is asked for.
        plugins: where names are looked up; given plugins work in this process alone.
        on_progress: called with (clips, all clips) whenever a shard is finished.
        cancel: asked between shards; True ends the work.

    Raises:
        InputError: a name, an option or the folder cannot be used, or no clip could be kept.
        WeightsError: weights are absent.
        ExtraError: pyarrow, or what the engine needs, is not installed.
        KinemaError: the disk is full, or workers are lost again and again.
        Cancelled: ``cancel`` said so.
    """
    arrow()  # its absence is said here, and not when hours of work are to be written
    found = plugins or Plugins.installed()
    config = config.native(found.find(BACKBONE, config.backbone).offer)
    if not config.tracker:
        config = attrs.evolve(config, tracker=found.default(TRACKER).offer.name)
    config = _absolute(config)
    check_folder(config.out, (own.get(name) for own in config.options.values() for name in PATHS))
    source = found.build(CLIP_SOURCE, config.source, config.of("source"))
    size, frames, fps = config.form
    try:
        items = list(source.items(ClipForm(size=size, frames=frames, fps=fps)))
    except OSError as error:
        raise KinemaError(
            f"The clip source {config.source!r} could not be listed: {error.strerror or error}. "
            "Run the same again when it is there."
        ) from error
    _check_items(items, config)
    job = _job(config, items, found)
    _check_folder(job)
    with claimed(job.out, "preparation"):
        notes = tuple(getattr(source, "notes", ()))
        report = _prepare(job, items, plugins, on_progress, cancel, notes)
    if not report.kept:
        reason, count = next(iter(report.dropped.items()))
        raise InputError(
            f"None of {len(items)} clips could be kept; {count} were {reason!r}, such as "
            f"{report.examples[reason].rstrip('.')}. See {str(job.out / 'report.html')!r}."
        )
    return report


def _prepare(
    job: Job,
    items: Sequence[ClipItem],
    plugins: Plugins | None,
    on_progress: OnProgress | None,
    cancel: Cancel | None,
    notes: Sequence[str],
) -> Report:
    _sweep(job.out)
    size = job.config.shard
    slices = [
        (number, items[start : start + size])
        for number, start in enumerate(range(0, len(items), size))
    ]
    outcomes = {number: finished(job, number, part) for number, part in slices}
    todo = [(number, part) for number, part in slices if outcomes[number] is None]
    done = len(items) - sum(len(part) for _, part in todo)
    say = on_progress or (lambda step, steps: None)
    say(done, len(items))
    for outcome in _run(job, todo, plugins, cancel or (lambda: False)):
        outcomes[outcome.shard] = outcome
        done += len(slices[outcome.shard][1])
        say(done, len(items))
    _sweep(job.out)
    report = Report.of(
        job, [outcome for outcome in outcomes.values() if outcome is not None], notes
    )
    write_report(job.out, report)
    return report


# -- what to do ------------------------------------------------------------------------------------


def _absolute(config: PrepareConfig) -> PrepareConfig:
    """Workers may have another current folder."""
    options: dict[str, dict[str, Any]] = {}
    for role in ROLES:
        options[role] = config.of(role)
        for name in PATHS:
            value = options[role].get(name)
            if isinstance(value, str | os.PathLike) and Path(value).exists() and str(value):
                options[role][name] = str(Path(value).resolve())
    return attrs.evolve(config, out=str(Path(config.out).resolve()), options=options)


def _check_items(items: Sequence[ClipItem], config: PrepareConfig) -> None:
    if not items:
        raise InputError(f"The clip source {config.source!r} holds no clip.")
    often, count = Counter(item.key for item in items).most_common(1)[0]
    if count > 1:
        twice = often
        raise InputError(f"The clip source {config.source!r} names two clips {twice!r}.")


def _job(config: PrepareConfig, items: Sequence[ClipItem], plugins: Plugins) -> Job:
    """What workers are told; refuses unknown names and options before any work."""
    known: dict[str, Mapping[str, Any]] = {}
    weights: dict[str, str] = {}
    for role, kind in ROLES.items():
        name = getattr(config, role)
        made = plugins.configure(kind, name, config.of(role))
        plain = attrs.asdict(made, value_serializer=lambda *field: _plain(field[2]))
        known[role] = {key: value for key, value in plain.items() if key != "device"}
        if role != "source":  # whose items have hashes of their own
            offer = plugins.find(kind, name).offer
            encoding = getattr(offer, "encoding", None)
            weights |= _weights((encoding or offer).files(made))
    what = {**config.what(), "options": known, "weights": weights}
    what = json.loads(json.dumps(what))  # as it is read back: lists, no tuples
    identity = digest([what, items_digest(items)])
    meta = {
        "backbone": config.backbone,
        "backbone_options": what["options"]["backbone"],
        "weights_sha256": what["weights"],
        "tracker": config.tracker,
        "tracker_options": what["options"]["tracker"],
        "source": config.source,
        "fps": config.form[2],
        "preparation": digest(what),
    }
    plan = {"format": FORMAT, "config": what, "items": items_digest(items), "meta": meta}
    return Job(config=config, plan={**plan, "count": len(items)}, identity=identity)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _weights(files: Iterable[Path]) -> dict[str, str]:
    """sha256 of the files that an offer reads, by their last two names: folders may move."""
    return {"/".join(Path(file).parts[-2:]): sha256_of_file(Path(file)) for file in files}


def _check_folder(job: Job) -> None:
    """Refuse a folder of another preparation.

    Raises:
        InputError: the folder holds something else.
    """
    out, plan = job.out, job.out / PLAN
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"Cannot prepare into {str(out)!r}: it is a file.")
    if plan.exists():
        try:
            before = parse_json(read_bytes(plan), "It", InputError)
            differing = _differences(before["config"], job.plan["config"])
            old = before["items"], before["count"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{str(plan)!r} is damaged; remove the folder {str(out)!r}.") from None
        if differing or old[0] != job.plan["items"]:
            why = "; ".join(differing) or (
                f"its source had {old[1]} clips, and now has {job.plan['count']} or others"
            )
            raise InputError(
                f"The folder {str(out)!r} was prepared otherwise: {why}. Choose another folder, "
                "or remove that one."
            )
    elif any(not _of_ours(path) for path in out.iterdir()):
        raise InputError(f"The folder {str(out)!r} holds something else than prepared clips.")


def _of_ours(path: Path) -> bool:
    """Whether a preparation that was killed at its very beginning may have left it."""
    return path.name.startswith(".") or (
        path.name == "records" and path.is_dir() and all(map(_of_ours, path.iterdir()))
    )


def _sweep(out: Path) -> None:
    """Remove what workers that were lost or killed left half-written."""
    for folder in (out, out / "records"):
        for rest in folder.glob(".*.*.*"):
            if rest.is_dir():
                shutil.rmtree(rest, ignore_errors=True)


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    """The entries in which two configs differ, in words."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = sorted({*before, *now})
        dot = f"{name}." if name else ""
        return [
            line for key in keys for line in _differences(before.get(key), now.get(key), dot + key)
        ]
    return [] if before == now else [f"{name} was {before!r}, now {now!r}"]


# -- who does it -----------------------------------------------------------------------------------


def _run(
    job: Job, todo: Sequence[Slice], plugins: Plugins | None, cancel: Cancel
) -> Iterable[Outcome]:
    if not todo:
        return ()
    if plugins is not None:
        return _here(job, todo, plugins, cancel)
    if job.config.engine == "ray":
        from kinema.clips.preparation.ray_engine import run

        return run(job, todo, cancel)
    return _pool(job, todo, min(len(todo), job.config.workers or _cores(job)), cancel)


def _cores(job: Job) -> int:
    if pick_device(job.config.device) != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(job: Job, todo: Sequence[Slice], plugins: Plugins, cancel: Cancel) -> Iterator[Outcome]:
    """In this process, as given plugins need it."""
    shop = Workshop(job, plugins)
    for number, items in todo:
        if cancel():
            raise _cancelled()
        with one_thread():
            outcome = make_shard(shop, number, items)
        yield outcome


def _pool(job: Job, todo: Sequence[Slice], workers: int, cancel: Cancel) -> Iterator[Outcome]:
    """In a pool of processes; shards that a lost worker may have had are tried once more."""
    waiting, tries = list(reversed(todo)), dict.fromkeys((number for number, _ in todo), 0)
    while waiting:
        running: dict[Future[Outcome], Slice] = {}
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running[pool.submit(work, job, *waiting[-1])] = waiting[-1]
                    waiting.pop()
                ready, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                if cancel():
                    raise _cancelled()
                for future in sorted(ready, key=lambda each: running[each][0]):
                    outcome = future.result()
                    del running[future]
                    yield outcome
        except BrokenProcessPool:
            waiting.extend(_again(list(running.values()), tries))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is killed; nothing else would tell it."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _again(lost: Sequence[Slice], tries: dict[int, int]) -> list[Slice]:
    """The shards to try once more.

    Raises:
        KinemaError: one of them was tried often enough.
    """
    for number, _ in lost:
        tries[number] += 1
    often = [part for part in lost if tries[part[0]] >= TRIES]
    if often:
        names = ", ".join(str(number) for number, _ in often)
        raise KinemaError(
            f"A worker was lost {TRIES} times while making shard {names}, clips from "
            f"{often[0][1][0].key!r} on; the system may have ended it for want of memory. Try "
            "fewer workers. Finished shards stay; run the same again to go on."
        )
    return sorted(lost, reverse=True, key=lambda part: part[0])


def _cancelled() -> Cancelled:
    return Cancelled("The preparation was cancelled; finished shards stay.")
