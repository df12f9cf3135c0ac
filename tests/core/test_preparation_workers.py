"""Preparing in worker processes and on Ray: what is lost is made again, to the same bytes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import attrs
import pytest

import kinema.plugins
from kinema.clips.preparation.config import PrepareConfig
from kinema.clips.preparation.engine import prepare
from kinema.clips.preparation.ray_engine import share
from kinema.errors import ExtraError, InputError, KinemaError
from kinema.plugins import Plugins

CRASHING = """
import os
from pathlib import Path
import attrs
from kinema import hookimpl, offers
from kinema.testing.toy_clips import ToyClips, ToyClipsConfig


@attrs.frozen(kw_only=True)
class Config(ToyClipsConfig):
    marks: str = ""
    crashes: int = 1


class Crashing(ToyClips):
    def read(self, item, form):
        marks = Path(self.config.marks)
        if item.place == (4,) and len(list(marks.glob("*"))) < self.config.crashes:
            (marks / str(os.getpid())).touch()
            os._exit(9)
        if item.place == (7,):
            import time
            (marks / "late").touch()
            time.sleep(float(os.environ.get("KINEMA_TEST_WAIT", "0")))
        return super().read(item, form)


@hookimpl
def kinema_clip_sources():
    yield offers.ClipSourceOffer(
        name="crashing", summary="Crashes.", factory=Crashing, config=Config
    )
"""


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toys and a source that ends its process, installed where new processes find them."""
    site = tmp_path / "site"
    info = site / "crashing-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "crashing.py").write_text(CRASHING)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[kinema]\ncrashing = crashing\ntoy-clips = kinema.testing.toy_clips\n"
        "toys = kinema.testing.toys:toy_plugin\n"
    )
    (tmp_path / "marks").mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    plugins = Plugins()
    plugins.load_entry_points()
    monkeypatch.setattr(kinema.plugins, "_installed", lambda: plugins)
    return tmp_path


def crash_config(folder: Path, out: str, crashes: int) -> PrepareConfig:
    marks = str(folder / "marks")
    return PrepareConfig(
        source="crashing", tracker="toy-drift", backbone="toy", out=str(folder / out),
        size=(32, 16), frames=4, fps=8.0, shard=3, reduction=2, workers=2,
        options={"source": {"count": 9, "marks": marks, "crashes": crashes}},
    )  # fmt: skip


@pytest.mark.slow
def test_a_lost_worker_costs_nothing(crashing: Path) -> None:
    prepare(crash_config(crashing, "clips", 1))
    prepare(crash_config(crashing, "here", 1), plugins=Plugins.installed())
    assert contents(crashing / "clips") == contents(crashing / "here")


@pytest.mark.slow
def test_a_worker_that_is_lost_again_is_an_error(crashing: Path) -> None:
    with pytest.raises(
        KinemaError, match=r"^A worker was lost 2 times while making shard .*1.*Try fewer workers"
    ):
        prepare(crash_config(crashing, "clips", 99))


@pytest.mark.slow
def test_killed_and_run_again_it_ends_up_the_same(
    crashing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = textwrap.dedent(f"""
        from kinema.clips.preparation.config import PrepareConfig
        from kinema.clips.preparation.engine import prepare
        if __name__ == "__main__":
            prepare(PrepareConfig(
                source="crashing", tracker="toy-drift", backbone="toy",
                out={str(crashing / "clips")!r}, size=(32, 16), frames=4, fps=8.0, shard=3,
                reduction=2, workers=1, options={{"source": {{
                    "count": 9, "marks": {str(crashing / "marks")!r}, "crashes": 0}}}},
            ))
    """)
    script = crashing / "run.py"
    script.write_text(code)
    environment = {**os.environ, "KINEMA_TEST_WAIT": "600"}
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    deadline = time.monotonic() + 300
    while not (crashing / "marks" / "late").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = contents(crashing / "clips")
    assert "shard-000001.parquet" in done
    assert "shard-000002.parquet" not in done
    prepare(crash_config(crashing, "clips", 0))
    prepare(crash_config(crashing, "here", 0), plugins=Plugins.installed())
    assert contents(crashing / "clips") == contents(crashing / "here")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_makes_the_same_shards(crashing: Path) -> None:
    pytest.importorskip("ray")
    prepare(attrs.evolve(crash_config(crashing, "ray", 0), engine="ray"))
    prepare(crash_config(crashing, "here", 0), plugins=Plugins.installed())
    assert contents(crashing / "ray") == contents(crashing / "here")


@pytest.mark.parametrize(
    ("device", "cluster", "gpus"),
    [
        ("auto", {"CPU": 8.0}, 0),
        ("auto", {"CPU": 8.0, "GPU": 4.0}, 1),
        ("cpu", {"CPU": 8.0, "GPU": 4.0}, 0),
        ("cuda", {"CPU": 8.0, "GPU": 4.0}, 1),
    ],
)
def test_a_task_of_ray_takes_a_gpu_where_it_computes_on_one(
    device: str, cluster: dict[str, float], gpus: int
) -> None:
    assert share(device, cluster) == gpus


def test_a_gpu_that_the_cluster_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match=r"^The device 'cuda' cannot be used: the Ray cluster has"):
        share("cuda", {"CPU": 8.0})


def test_without_ray_the_error_says_what_to_install(
    crashing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = r"^The engine 'ray' needs ray, which is not installed: pip install \"kinema\[ray\]\"\.$"
    with pytest.raises(ExtraError, match=said):
        prepare(attrs.evolve(crash_config(crashing, "clips", 0), engine="ray"))
