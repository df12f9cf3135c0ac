"""Evaluations: every score and fault is there, and a killed run ends as any other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kinema
from kinema.errors import Cancelled, InputError
from kinema.evaluation import BackboneModel, FunctionModel, Results, StillModel, VideosModel
from kinema.media.video import Video
from kinema.plugins import Plugins
from kinema.testing import BenchmarkContract, MetricContract, SetMetricContract, toy_benchmark
from kinema.testing.toys import toy_plugin

STILL = StillModel()


@pytest.fixture
def plugins() -> Plugins:
    found = Plugins()
    found.register(toy_plugin, "toys")
    found.register(toy_benchmark, "toy-benchmark")
    assert not found.broken
    return found


def brighter(photo: Any, motion: kinema.Motion, seed: int) -> Video:
    frames = np.stack([photo + np.uint8(8 * t + seed) for t in range(4)])
    return Video(frames=frames, fps=8)


BRIGHTER = FunctionModel(name="brighter", make=brighter)


def contents(folder: Path) -> dict[str, str]:
    """Everything but the times, which alone depend on the clock."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != "times"
    }


def test_every_model_item_and_seed_has_its_scores(plugins: Plugins, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = kinema.evaluate(
        "toy-items",
        [STILL, BRIGHTER, "toy"],
        seeds=(0, 1),
        out=tmp_path / "out",
        plugins=plugins,
        on_progress=lambda *at: steps.append(at),
    )
    assert not found.faults
    assert found.subsets == {"even": 4, "odd": 4}
    assert len(found.scores) == 3 * 8 * 2
    assert {row.metric for row in found.summary} == {"toy-brightness", "toy-colours"}
    still, real = (found.value("toy-colours", name, "even") for name in ("still", "brighter"))
    assert still.value is not None
    assert real.value is not None
    assert still.value > 10 * real.value
    assert (real.count, real.reference, real.of) == (8, 4, "set")
    first = found.rows("toy-brightness", "brighter", "odd")[0]
    assert first.value == found.rows("toy-brightness", "still", "odd")[0].value + 24.0  # type: ignore[operator]
    assert steps[-1] == (8 + 3 * 8 * 2,) * 2
    assert "### odd (4 items)" in found.markdown()


def test_results_are_read_as_they_were_written(plugins: Plugins, tmp_path: Path) -> None:
    found = kinema.evaluate("toy-items", STILL, out=tmp_path / "out", plugins=plugins)
    assert Results.load(tmp_path / "out") == found
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    assert [row["value"] for row in table] == [row.value for row in found.scores]
    (tmp_path / "out" / "scores.json").write_text("{}")
    with pytest.raises(InputError, match="must say 'format'"):
        Results.load(tmp_path / "out")
    with pytest.raises(InputError, match="There are no results in"):
        Results.load(tmp_path)


def test_what_is_there_is_not_made_again(plugins: Plugins, tmp_path: Path) -> None:
    made: list[int] = []

    def counted(photo: Any, motion: kinema.Motion, seed: int) -> Video:
        made.append(seed)
        return brighter(photo, motion, seed)

    model = FunctionModel(name="counted", make=counted)
    out = tmp_path / "out"
    first = kinema.evaluate("toy-items", model, out=out, plugins=plugins, items=2)
    assert len(made) == 4
    before = contents(out)
    again = kinema.evaluate("toy-items", model, out=out, plugins=plugins, items=2)
    assert (len(made), again) == (4, first)
    assert contents(out) == before
    # A metric that joins later is measured on the videos that are there.
    more = kinema.evaluate(
        "toy-items", model, metrics=["toy-brightness"], out=out, plugins=plugins, items=2
    )
    assert len(made) == 4
    assert more.scores == first.scores
    # A video that was damaged is made again, to the same bytes.
    frame = next((out / "videos").rglob("0002.png"))
    frame.write_bytes(b"not a picture")
    record = next((out / "records").rglob("item-0-seed0.json"))
    record.unlink()
    frame = next((out / "videos" / "counted" / "even" / "item-0-seed0").glob("0002.png"))
    frame.write_bytes(b"not a picture")
    kinema.evaluate("toy-items", model, out=out, plugins=plugins, items=2)
    assert len(made) == 5


def test_what_other_runs_measured_stays(plugins: Plugins, tmp_path: Path) -> None:
    def run(*metrics: str) -> Results:
        return kinema.evaluate(
            "toy-items", STILL, metrics=metrics, out=tmp_path, plugins=plugins, items=2
        )

    apart = run("toy-colours"), run("toy-brightness")
    before = contents(tmp_path)
    both = run("toy-colours", "toy-brightness")
    assert both.scores == apart[1].scores
    assert {*both.summary} == {*apart[0].summary, *apart[1].summary}
    after = contents(tmp_path)
    kept = [name for name in before if name.startswith(("records", "features", "videos"))]
    assert kept
    assert [name for name in kept if after[name] != before[name]] == []


def test_another_evaluation_is_refused(plugins: Plugins, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kinema.evaluate("toy-items", STILL, out=out, plugins=plugins)
    with pytest.raises(InputError, match=r"its options was \{'count': 4.*now \{'count': 3"):
        kinema.evaluate("toy-items", STILL, options={"count": 3}, out=out, plugins=plugins)
    other = FunctionModel(name="still", make=brighter)
    with pytest.raises(InputError, match="knows another model 'still': it differs in kind"):
        kinema.evaluate("toy-items", other, out=out, plugins=plugins)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="holds something else than an evaluation"):
        kinema.evaluate("toy-items", STILL, out=tmp_path / "mine", plugins=plugins)


def test_what_fails_is_listed_and_the_others_count(plugins: Plugins, tmp_path: Path) -> None:
    def fragile(photo: Any, motion: kinema.Motion, seed: int) -> Video:
        if int(photo[0, 0, 0]) == first:
            raise ValueError("this one\nbreaks")
        return brighter(photo, motion, seed)

    benchmark = toy_benchmark.ToyBenchmark(toy_benchmark.ToyBenchmarkConfig())
    first = int(benchmark.read(benchmark.items()[2]).photo[0, 0, 0])
    found = kinema.evaluate(
        "toy-items",
        FunctionModel(name="fragile", make=fragile),
        options={"damaged": ["item-5"]},
        metrics=["toy-brightness", "toy-camera", "toy-colours"],
        plugins=plugins,
    )
    stages = {(each.stage, each.item): each.reason for each in found.faults}
    assert stages == {
        ("video", "item-2"): "ValueError: this one breaks",
        ("item", "item-5"): "The item 'item-5' is damaged.",
    }
    even = found.value("toy-brightness", "fragile", "even")
    assert (even.count, even.missing) == (3, 1)
    assert found.value("toy-colours", "fragile", "odd").missing == 1
    rows = found.rows("toy-camera")
    assert {row.status for row in rows if row.item not in ("item-2", "item-5")} == {
        "not-applicable"
    }
    assert "failed: item, odd/item-5: The item 'item-5' is damaged." in found.markdown()


def test_what_cannot_be_evaluated_is_said_at_once(plugins: Plugins, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Unknown metric 'toy-bright'\. Did you mean 'toy-b"):
        kinema.evaluate("toy-items", STILL, metrics=["toy-bright"], plugins=plugins)
    with pytest.raises(InputError, match=r"no subset 'uneven'\. Did you mean 'even'"):
        kinema.evaluate("toy-items", STILL, subsets=["uneven"], plugins=plugins)
    with pytest.raises(InputError, match="same model twice: still"):
        kinema.evaluate("toy-items", [STILL, STILL], plugins=plugins)
    with pytest.raises(InputError, match="Unknown backbone 'toi'"):
        kinema.evaluate("toy-items", "toi", plugins=plugins)
    with pytest.raises(InputError, match="There is no folder"):
        kinema.evaluate("toy-items", VideosModel(folder="nowhere"), plugins=plugins)
    calls: list[int] = []
    with pytest.raises(Cancelled, match="finished videos stay"):
        kinema.evaluate(
            "toy-items", STILL, plugins=plugins, cancel=lambda: len(calls) == 0 or False
        )


# -- videos of other tools ------------------------------------------------------------------------


def foreign(folder: Path) -> None:
    """What another tool might leave: frames by key, in the subset's folder, with a seed."""
    benchmark = toy_benchmark.ToyBenchmark(toy_benchmark.ToyBenchmarkConfig())
    for number, item in enumerate(benchmark.items()):
        video = brighter(benchmark.read(item).photo, kinema.Motion(canvas=(32, 16)), 0)
        path = folder / item.key if number % 2 else folder / item.subset / item.key
        path.parent.mkdir(parents=True, exist_ok=True)
        if number != 3:
            video.save(path)


def test_videos_of_other_tools_are_scored_alike(plugins: Plugins, tmp_path: Path) -> None:
    foreign(tmp_path / "theirs")
    theirs = VideosModel(folder=str(tmp_path / "theirs"))
    out = tmp_path / "out"
    found = kinema.evaluate("toy-items", [BRIGHTER, theirs], out=out, plugins=plugins)
    mine = {row.item: row.value for row in found.rows("toy-brightness", "brighter")}
    other = {row.item: row.value for row in found.rows("toy-brightness", "theirs")}
    assert other.pop("item-3") is None
    mine.pop("item-3")
    assert other == mine
    (fault,) = found.faults
    assert "has no video of the item 'item-3' with seed 0" in fault.reason
    assert not (out / "videos" / "theirs").exists()
    # A file that is replaced is looked at again.
    shutil.rmtree(tmp_path / "theirs" / "item-1")
    Video(frames=np.zeros((4, 16, 32, 3), np.uint8), fps=8).save(tmp_path / "theirs" / "item-1")
    again = kinema.evaluate("toy-items", [theirs], out=out, plugins=plugins)
    assert {row.item: row.value for row in again.scores}["item-1"] == 0.0


def test_a_manifest_says_which_video_is_which(plugins: Plugins, tmp_path: Path) -> None:
    foreign(tmp_path / "theirs")
    lines = [
        {"item": "item-0", "path": "item-1"},
        {"item": "item-2", "seed": 7, "path": "even/item-2"},
    ]
    manifest = tmp_path / "theirs" / "videos.json"
    manifest.write_text(json.dumps({"format": "kinema.videos/1", "videos": lines}))
    theirs = VideosModel(folder=str(tmp_path / "theirs"), name="named")
    found = kinema.evaluate("toy-items", theirs, seeds=(0, 7), plugins=plugins)
    good = {(row.item, row.seed) for row in found.scores if row.status == "ok"}
    assert good == {("item-0", 0), ("item-2", 7)}
    manifest.write_text(json.dumps({"format": "kinema.videos/1", "videos": [{"path": "x"}]}))
    with pytest.raises(InputError, match=r"The manifest .* cannot be used: KeyError\('item'\)"):
        kinema.evaluate("toy-items", theirs, plugins=plugins)


# -- processes ------------------------------------------------------------------------------------

RUN = """
import sys
import kinema
from kinema.evaluation import BackboneModel, StillModel

if __name__ == "__main__":
    out, engine, workers = sys.argv[1:4]
    models = [StillModel(), BackboneModel(backbone="toy")]
    kinema.evaluate("toy-items", models, options={"count": 8}, seeds=(0, 1), out=out,
                    engine=engine, workers=int(workers))
"""

ENDING = """
import os
from pathlib import Path
from kinema import hookimpl, offers
from kinema.testing import toy_benchmark


class Ending(toy_benchmark.ToyBrightness):
    # Ends its process once, in the middle of the work; waits where a test wants to kill it.
    def measure(self, frames, motion):
        marks = Path(os.environ["KINEMA_TEST_MARKS"])
        if os.environ.get("KINEMA_TEST_END") and len(list((marks / "done").iterdir())) >= 9:
            try:
                (marks / "ended").mkdir()
            except FileExistsError:
                pass
            else:
                os._exit(9)
        (marks / "done" / str(os.urandom(6).hex())).touch()
        if os.environ.get("KINEMA_TEST_WAIT"):
            import time
            time.sleep(0.05)
        return super().measure(frames, motion)


class Benchmarks:
    @hookimpl
    def kinema_benchmarks(self):
        yield offers.BenchmarkOffer(
            name="toy-items", summary="Toys.", factory=toy_benchmark.ToyBenchmark,
            config=toy_benchmark.ToyBenchmarkConfig, metrics=("ending", "toy-colours"))

    @hookimpl
    def kinema_metrics(self):
        yield offers.MetricOffer(name="ending", summary="Ends.", factory=lambda config: Ending())

    kinema_set_metrics = staticmethod(toy_benchmark.kinema_set_metrics)


plugin = Benchmarks()
"""


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """The environment of processes that have the toys installed."""
    folder = tmp_path / "site"
    info = folder / "ending-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "ending.py").write_text(ENDING)
    (folder / "run.py").write_text(textwrap.dedent(RUN))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ending\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[kinema]\nending = ending:plugin\ntoys = kinema.testing.toys:toy_plugin\n"
    )
    marks = tmp_path / "marks"
    (marks / "done").mkdir(parents=True)
    return {
        **os.environ,
        "PYTHONPATH": str(folder),
        "KINEMA_TEST_MARKS": str(marks),
        "OMP_NUM_THREADS": "1",
    }


def begin(site: dict[str, str], out: Path, *words: str, **more: str) -> subprocess.Popen[bytes]:
    script = Path(site["PYTHONPATH"]) / "run.py"
    command = [sys.executable, str(script), str(out), *words]
    return subprocess.Popen(command, env={**site, **more})


@pytest.mark.slow
def test_a_run_that_is_killed_anywhere_ends_as_any_other(
    site: dict[str, str], tmp_path: Path
) -> None:
    assert begin(site, tmp_path / "whole", "local", "1").wait() == 0
    out = tmp_path / "killed"
    for more in (3, 11, 27):
        done = Path(site["KINEMA_TEST_MARKS"]) / "done"
        before = len(list(done.iterdir()))
        process = begin(site, out, "local", "1", KINEMA_TEST_WAIT="1")
        while len(list(done.iterdir())) < before + more and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert begin(site, out, "local", "1").wait() == 0
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_lost_worker_changes_nothing(site: dict[str, str], tmp_path: Path, engine: str) -> None:
    assert begin(site, tmp_path / "whole", "local", "1").wait() == 0
    for mark in (Path(site["KINEMA_TEST_MARKS"]) / "done").iterdir():
        mark.unlink()
    out = tmp_path / engine
    assert begin(site, out, engine, "2", KINEMA_TEST_END="1").wait() == 0
    assert (Path(site["KINEMA_TEST_MARKS"]) / "ended").is_dir()
    assert contents(out) == contents(tmp_path / "whole")


# -- the toys keep their contracts ----------------------------------------------------------------


class TestToyBenchmark(BenchmarkContract):
    def make(self) -> toy_benchmark.ToyBenchmark:
        return toy_benchmark.ToyBenchmark(toy_benchmark.ToyBenchmarkConfig(count=2))


class TestToyBrightness(MetricContract):
    def make(self) -> toy_benchmark.ToyBrightness:
        return toy_benchmark.ToyBrightness()


class TestToyColours(SetMetricContract):
    def make(self) -> toy_benchmark.ToyColours:
        return toy_benchmark.ToyColours()


def test_a_backbone_is_told_apart_by_its_options_and_files(
    plugins: Plugins, tmp_path: Path
) -> None:
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"one")
    model = BackboneModel(backbone="toy", session={"weights": str(weights), "device": "cpu"})
    first = model.what(plugins)
    assert "device" not in first["session"]
    weights.write_bytes(b"two")
    assert model.what(plugins) != first
