"""One video of an evaluation: made, kept, measured. What a worker of any engine does."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import attrs
import torch

from kinema.errors import Cancelled, InputError, KinemaError
from kinema.evaluation.folder import Folder, digest, read_json, video_name, write_json
from kinema.evaluation.measuring import lacking, outcome, values_of, write_features
from kinema.evaluation.models import Make, Model
from kinema.evaluation.results import one_line
from kinema.files import sha256_of, write_atomically
from kinema.interfaces import Benchmark, BenchmarkItem, Case, Metric, SetMetric
from kinema.media.video import Video
from kinema.motion.canvas import Size
from kinema.offers import BENCHMARK, METRIC, SET_METRIC, Need
from kinema.plugins import Plugins


@attrs.frozen(kw_only=True)
class Wanted:
    """A metric that was asked for.

    Attributes:
        name: of its offer.
        of: ``video`` or ``set``.
        needs: as its offer says.
        options: it is built with, plain data.
        version: of the distribution that offers it.
    """

    name: str
    of: Literal["video", "set"]
    needs: tuple[Need, ...]
    options: Mapping[str, Any]
    version: str

    @property
    def identity(self) -> str:
        """Hex digest of what decides its numbers."""
        return digest([self.name, self.options, self.version])


@attrs.frozen(kw_only=True)
class Job:
    """What workers are told, once; it is pickled.

    Attributes:
        out: the folder.
        benchmark, options: whose items.
        models: what is evaluated.
        identities: hex digest of each model, by name.
        metrics: by what.
        size, frames, fps: of the videos, instead of the item's own; None leaves it.
    """

    out: str
    benchmark: str
    options: Mapping[str, Any]
    models: tuple[Model, ...]
    identities: Mapping[str, str]
    metrics: tuple[Wanted, ...]
    size: Size | None = None
    frames: int | None = None
    fps: float | None = None

    @property
    def folder(self) -> Folder:
        """Its paths."""
        return Folder(Path(self.out))


#: One video to make and measure: the model's name, the item and the seed. Without a model, the
#: item's real video is to be looked at for the reference set.
Unit = tuple[str, BenchmarkItem, int]


class Desk:
    """The tools of one worker, built when they are first needed; one model is open at a time.

    Args:
        job: what is to be done.
        plugins: where names are looked up; the installed plugins unless given.
        benchmark: given by the caller, who need not have a name for it.
    """

    def __init__(
        self, job: Job, plugins: Plugins | None = None, benchmark: Benchmark | None = None
    ) -> None:
        self.job = job
        self._plugins = plugins or Plugins.installed()
        self._benchmark = benchmark
        self._built: dict[str, Metric | SetMetric] = {}
        self._open = ExitStack()
        self._opened: tuple[str, Make] | None = None

    def close(self) -> None:
        """Close the model that is open."""
        self._opened = None
        self._open.close()

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark."""
        if self._benchmark is None:
            self._benchmark = self._plugins.build(BENCHMARK, self.job.benchmark, self.job.options)
        return self._benchmark

    def metric(self, wanted: Wanted) -> Any:
        """The metric of that name."""
        if wanted.name not in self._built:
            kind: Any = METRIC if wanted.of == "video" else SET_METRIC
            self._built[wanted.name] = self._plugins.build(kind, wanted.name, wanted.options)
        return self._built[wanted.name]

    def make(self, model: str) -> Make:
        """How that model makes videos."""
        if self._opened is None or self._opened[0] != model:
            self.close()
            found = next(each for each in self.job.models if each.name == model)
            self._opened = model, self._open.enter_context(found.opened(self._plugins))
        return self._opened[1]

    def case(self, item: BenchmarkItem) -> Case:
        """The item, in the form that is asked for.

        Raises:
            InputError: it cannot be read, or its truth is of another form.
        """
        case = self.benchmark.read(item)
        job = self.job
        return attrs.evolve(
            case,
            size=job.size or case.size,
            frames=job.frames or case.frames,
            fps=job.fps or case.fps,
        )

    # -- one unit -----------------------------------------------------------------------------

    def do(self, unit: Unit) -> Mapping[str, Any]:
        """Make and measure what is not there yet; the record of the unit.

        What fails is recorded, and made again at the next run.
        """
        model, item, seed = unit
        if not model:
            return self._reference(item)
        path = self.job.folder.record(model, item, seed)
        record = read_json(path)
        if self._is_done(record, model, item, seed):
            return dict(record)
        start = time.perf_counter()
        seconds: dict[str, float] = {}
        try:
            case = self.case(item)
        except InputError as error:
            return self._write(path, {"error": one_line(error), "stage": "item", "metrics": {}})
        self._show(item, case)
        video = self._kept(model, item, seed)
        if video is None:
            make = self.make(model)  # what cannot be opened fails for all items alike
            try:
                video = make(item, case, seed)
            except (Cancelled, MemoryError):
                raise
            except Exception as error:
                fault = {"error": one_line(error), "stage": "video", "metrics": {}}
                return self._write(path, fault)
            if not self._foreign(model):
                seconds["video"] = time.perf_counter() - start
                self._keep(model, item, seed, video)
        sha = sha256_of(video.frames.tobytes())
        old = record["metrics"] if record and record.get("sha256") == sha else {}
        metrics = self._measured(old, model, item, seed, case, video, seconds)
        identity = self.job.identities[model]
        form = [*video.size, len(video.frames), video.fps]
        done = {"sha256": sha, "model": identity, "form": form, "metrics": metrics}
        self._note_times(model, item, seed, seconds)
        return self._write(path, done)

    def _show(self, item: BenchmarkItem, case: Case) -> None:
        """Keep what models are given, for reports."""
        from PIL import Image

        folder = self.job.folder.item(item)
        if folder.is_dir():
            return

        def write(part: Path) -> None:
            part.mkdir()
            Image.fromarray(case.photo).save(part / "photo.png")
            write_json(part / "motion.json", case.motion.to_dict())

        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # another worker was first
            write_atomically(folder, write)

    def _is_done(self, record: Any, model: str, item: BenchmarkItem, seed: int) -> bool:
        if not isinstance(record, dict) or record.get("model") != self.job.identities[model]:
            return False
        if self._foreign(model):  # whose files may have changed
            return False
        metrics = record.get("metrics", {})
        folder = self.job.folder
        return all(
            metrics.get(wanted.name, {}).get("identity") == wanted.identity
            and metrics[wanted.name]["status"] != "failed"
            and (
                wanted.of == "video"
                or metrics[wanted.name]["status"] != "ok"
                or folder.features(model, wanted.name, item, seed).is_file()
            )
            for wanted in self.job.metrics
        )

    def _foreign(self, model: str) -> bool:
        return next(each.kind for each in self.job.models if each.name == model) == "videos"

    def _write(self, path: Path, record: Mapping[str, Any]) -> Mapping[str, Any]:
        write_json(path, record)
        return record

    def _note_times(
        self, model: str, item: BenchmarkItem, seed: int, seconds: Mapping[str, float]
    ) -> None:
        path = self.job.folder.times(model, item, seed)
        before = read_json(path)
        kept = before if isinstance(before, dict) else {}
        write_json(path, {**kept, **seconds})

    def _kept(self, model: str, item: BenchmarkItem, seed: int) -> Video | None:
        """The video that an earlier run made, if it is whole and of the same model."""
        if self._foreign(model):
            return None
        path = self.job.folder.video(model, item, seed)
        about = read_json(path.with_name(f"{path.name}.json"))
        if isinstance(about, dict) and about.get("model") == self.job.identities[model]:
            with suppress(KinemaError, KeyError, TypeError, ValueError):
                video = Video.load(path, fps=about["fps"])
                if sha256_of(video.frames.tobytes()) == about["sha256"]:
                    return video
        return None

    def _keep(self, model: str, item: BenchmarkItem, seed: int, video: Video) -> None:
        path = self.job.folder.video(model, item, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            shutil.rmtree(path)
        video.save(path, manifest=False)
        sha = sha256_of(video.frames.tobytes())
        about = {"model": self.job.identities[model], "fps": video.fps, "sha256": sha}
        write_json(path.with_name(f"{path.name}.json"), about)

    # -- measuring ----------------------------------------------------------------------------

    def _measured(
        self,
        old: Mapping[str, Any],
        model: str,
        item: BenchmarkItem,
        seed: int,
        case: Case,
        video: Video,
        seconds: dict[str, float],
    ) -> dict[str, Any]:
        frames = torch.from_numpy(video.frames.copy())
        # What other runs measured of this video stays.
        found: dict[str, Any] = dict(old)
        for wanted in self.job.metrics:
            before = old.get(wanted.name, {})
            features = self.job.folder.features(model, wanted.name, item, seed)
            kept = before.get("identity") == wanted.identity and before.get("status") != "failed"
            if kept and (wanted.of == "video" or before["status"] != "ok" or features.is_file()):
                found[wanted.name] = before
                continue
            start = time.perf_counter()
            lack = lacking(wanted.needs, case)
            if lack:
                found[wanted.name] = outcome(wanted.identity, "not-applicable", reason=lack)
                continue
            try:
                metric = self.metric(wanted)
                if wanted.of == "set":
                    write_features(features, metric.features(frames))
                    found[wanted.name] = outcome(wanted.identity, "ok")
                else:
                    values = values_of(
                        wanted.name, metric, frames, case, video_name(model, item, seed)
                    )
                    found[wanted.name] = outcome(wanted.identity, "ok", values)
            except (MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                found[wanted.name] = outcome(wanted.identity, "failed", reason=one_line(error))
            seconds[wanted.name] = time.perf_counter() - start
        return found

    def _reference(self, item: BenchmarkItem) -> Mapping[str, Any]:
        """Keep what set metrics need of the item's real video, if it has one."""
        folder = self.job.folder
        todo = [
            wanted
            for wanted in self.job.metrics
            if wanted.of == "set" and not folder.reference(wanted.name, item).is_file()
        ]
        if not todo:
            return {}
        try:
            frames = self.case(item).truth.frames
        except InputError as error:
            return {"error": one_line(error), "stage": "item"}
        if frames is None:
            return {}
        faults = {}
        for wanted in todo:
            try:
                features = self.metric(wanted).features(frames)
            except (InputError, ValueError, RuntimeError) as error:
                faults[wanted.name] = one_line(error)
                continue
            write_features(folder.reference(wanted.name, item), features)
        return {"faults": faults}


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: workers share the cores, and sums depend on how many there are."""
    threads, opencv = torch.get_num_threads(), sys.modules.get("cv2")
    before = opencv.getNumThreads() if opencv else -1
    torch.set_num_threads(1)
    if opencv:
        opencv.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if opencv:
            opencv.setNumThreads(before)


# -- what a worker process holds -------------------------------------------------------------------

_desks: dict[str, Desk] = {}


def work(job: Job, units: tuple[Unit, ...]) -> list[Mapping[str, Any]]:
    """Do some units in this process; its tools stay for the next ones.

    Raises:
        KinemaError: the disk is full, a model cannot be opened, ...
    """
    identity = digest([job.out, dict(job.identities), [each.identity for each in job.metrics]])
    if identity not in _desks:
        for desk in _desks.values():
            desk.close()
        _desks.clear()
        _desks[identity] = Desk(job)
    with one_thread():
        return [_desks[identity].do(unit) for unit in units]
