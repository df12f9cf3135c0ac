"""Making one shard: what a worker of any engine does, and how it is committed.

Shard k is a pure function of the job's config and of its slice of the source's items. Its record, a
small JSON file beside it, is written last: a shard without a record is made again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import torch

from kinema.clips.clip import Clip, write_shard
from kinema.clips.preparation import stages
from kinema.clips.preparation.config import PrepareConfig, digest
from kinema.device import pick_device
from kinema.errors import InputError, KinemaError
from kinema.files import parse_json, sha256_of_file, write_atomically
from kinema.interfaces import ClipForm, ClipItem, Tracker, check_form
from kinema.offers import BACKBONE, CLIP_SOURCE, TRACKER, Kind
from kinema.plugins import Plugins

_Built = TypeVar("_Built")

#: The version of the records and of ``prepare.json``.
FORMAT = "kinema.preparation/1"

#: What the folder was prepared with.
PLAN = "prepare.json"


@attrs.frozen(kw_only=True)
class Job:
    """What workers are told, once; it is pickled.

    Attributes:
        config: of the preparation.
        plan: the content of :data:`PLAN`.
        identity: hex digest of what decides the shards' content.
    """

    config: PrepareConfig
    plan: Mapping[str, Any]
    identity: str

    @property
    def out(self) -> Path:
        """The folder of the shards."""
        return Path(self.config.out)

    @property
    def form(self) -> ClipForm:
        """The form of every clip."""
        size, frames, fps = self.config.form
        return ClipForm(size=size, frames=frames, fps=fps)


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one shard's items.

    Attributes:
        shard: its number.
        kept: id, the lengths of :func:`~kinema.clips.preparation.stages.fastest_motion` in widths
            of the canvas, and visible shares, for each clip that is in the shard.
        dropped: key, reason and detail of each that is not.
        identity: of the job that made it.
        items: hex digest of the items.
        bytes: of the Parquet file; 0 where no clip was kept and no file is.
        sha256: of the Parquet file.
    """

    shard: int
    kept: tuple[tuple[str, float, float], ...]
    dropped: tuple[tuple[str, str, str], ...]
    identity: str
    items: str
    bytes: int = 0
    sha256: str = ""


def shard_path(out: Path, number: int) -> Path:
    """Where shard ``number`` lies."""
    return out / f"shard-{number:06d}.parquet"


def record_path(out: Path, number: int) -> Path:
    """Where its record lies."""
    return out / "records" / f"shard-{number:06d}.json"


class Workshop:
    """The tools of one worker: source, tracker and backbone, built once.

    Raises:
        InputError: an option cannot be used, or the backbone cannot make clips of that form.
        WeightsError: weights are absent.
    """

    def __init__(self, job: Job, plugins: Plugins | None = None) -> None:
        self.job = job
        self._plugins = plugins or Plugins.installed()
        self._device = pick_device(job.config.device)
        self.source = self._build(CLIP_SOURCE, "source", job.config.source)
        name = job.config.backbone
        self.backbone = self._plugins.build_encoding(
            name, self._options(BACKBONE, "backbone", name)
        )
        check_form(self.backbone, job.config.backbone, job.form.size, job.form.frames)
        self._tracker: Tracker | None = None

    def _build(self, kind: Kind[Any, _Built], role: str, name: str) -> _Built:
        return self._plugins.build(kind, name, self._options(kind, role, name))

    def _options(self, kind: Kind[Any, Any], role: str, name: str) -> dict[str, Any]:
        options = self.job.config.of(role)
        known = {field.name for field in attrs.fields(self._plugins.find(kind, name).offer.config)}
        if "device" in known:
            options.setdefault("device", self._device)
        return options

    def tracker(self) -> Tracker:
        """The tracker; built when the first clip needs it."""
        if self._tracker is None:
            self._tracker = self._build(TRACKER, "tracker", self.job.config.tracker)
            if _opencv():
                _opencv().setNumThreads(1)
        return self._tracker

    def clip(self, item: ClipItem) -> tuple[Clip, float, float]:
        """All stages of one clip; also its motion in widths of the canvas, and its visible share.

        Raises:
            Dropped: it is not used.
        """
        config, form = self.job.config, self.job.form
        raw = stages.read(self.source, item, form)
        stages.glance(raw, config.limits)
        observation = stages.track(raw, None if raw.observation is not None else self.tracker())
        stages.judge(observation, form.size, config.limits)
        encoded = stages.encode(raw, item.key, self.backbone)
        clip = stages.pack(raw, item.key, form, observation, encoded, config.grid)
        motion = stages.fastest_motion(observation) / form.size[0]
        return clip, round(motion, 6), round(stages.visible_share(observation), 6)


def _opencv() -> Any:
    # Plugins load OpenCV, if any does; core does not need it.
    return sys.modules.get("cv2")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: workers share the cores, and OpenCV's flow depends on how many."""
    threads, opencv = torch.get_num_threads(), _opencv()
    before = opencv.getNumThreads() if opencv else -1
    torch.set_num_threads(1)
    if opencv:
        opencv.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if _opencv():
            _opencv().setNumThreads(before)


def make_shard(shop: Workshop, number: int, items: Sequence[ClipItem]) -> Outcome:
    """Run the stages over the items, write the shard, then its record.

    Raises:
        KinemaError: a file cannot be written, the disk may be full; no half of one is left.
    """
    kept: list[tuple[str, float, float]] = []
    made: list[Clip] = []
    dropped: list[tuple[str, str, str]] = []
    for item in items:
        try:
            clip, motion, visible = shop.clip(item)
        except stages.Dropped as drop:
            dropped.append((item.key, drop.reason, drop.detail))
            continue
        made.append(clip)
        kept.append((item.key, motion, visible))
    outcome = Outcome(
        shard=number,
        kept=tuple(kept),
        dropped=tuple(dropped),
        identity=shop.job.identity,
        items=items_digest(items),
    )
    try:
        return _commit(shop.job, outcome, made)
    except OSError as error:
        raise KinemaError(
            f"Shard {number} could not be written to {str(shop.job.out)!r}: "
            f"{error.strerror or error}. Finished shards stay; run the same again to go on."
        ) from error


def _commit(job: Job, outcome: Outcome, made: Sequence[Clip]) -> Outcome:
    record = record_path(job.out, outcome.shard)
    plan = job.out / PLAN
    if not plan.exists():
        write_json(plan, job.plan)
    record.parent.mkdir(exist_ok=True)
    if made:
        path = shard_path(job.out, outcome.shard)
        write_shard(path, made, {**job.plan["meta"], "shard": outcome.shard})
        outcome = attrs.evolve(outcome, bytes=path.stat().st_size, sha256=sha256_of_file(path))
    write_json(record, attrs.asdict(outcome))
    return outcome


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write it by a temporary name and a rename."""
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def items_digest(items: Sequence[ClipItem]) -> str:
    """Hex digest of some items."""
    return digest([[item.key, *item.place] for item in items])


def outcome_of(data: Mapping[str, Any]) -> Outcome:
    """From its record.

    Raises:
        KeyError, TypeError, ValueError: it is no record.
    """
    kept = tuple((key, motion, seen) for key, motion, seen in data["kept"])
    dropped = tuple((key, why, what) for key, why, what in data["dropped"])
    return Outcome(**{**data, "kept": kept, "dropped": dropped})


def finished(job: Job, number: int, items: Sequence[ClipItem]) -> Outcome | None:
    """The record of a shard that need not be made again, or None."""
    try:
        record = record_path(job.out, number).read_text(encoding="utf-8")
        outcome = outcome_of(parse_json(record, "It", InputError))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if (outcome.identity, outcome.items) != (job.identity, items_digest(items)):
        return None
    if any(reason == stages.UNREADABLE for _, reason, _ in outcome.dropped):
        return None
    path = shard_path(job.out, number)
    if not outcome.kept:
        return outcome
    whole = path.is_file() and os.path.getsize(path) == outcome.bytes
    return outcome if whole and sha256_of_file(path) == outcome.sha256 else None


# -- what a worker process holds -------------------------------------------------------------------

_shops: dict[str, Workshop] = {}


def work(job: Job, number: int, items: Sequence[ClipItem]) -> Outcome:
    """Make a shard in this process; its tools are built at the first one.

    Raises:
        KinemaError: as :class:`Workshop` and :func:`make_shard`.
    """
    if job.identity not in _shops:
        _shops.clear()
        _shops[job.identity] = Workshop(job)
    with one_thread():
        return make_shard(_shops[job.identity], number, items)
