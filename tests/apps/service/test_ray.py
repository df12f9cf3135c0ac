"""The service on a Ray of this machine, with two workers of which one is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kinema
from kinema_apps.client import JobFailed
from kinema_apps.motion_options import SAMPLE
from kinema_apps.service.ray_engine import RayEngine
from kinema_apps.service.testing import Running, running

ray: Any = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.all_packages,
    pytest.mark.slow,
    # Ray leaves pipes of its processes to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MOTION = kinema.Motion.load(SAMPLE / "motion.json")
PHOTO = SAMPLE / "photo.jpg"


@pytest.fixture
def cluster() -> Iterator[None]:
    """A Ray of two processors."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def engine(cluster: None) -> RayEngine:
    return RayEngine(2)


def at_work(up: Running, count: int) -> dict[str, str]:
    """Job by worker, once so many are at work."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        busy = {name: work.task.job for name, work in up.service.dispatcher.busy.items()}
        if len(busy) == count:
            return busy
        time.sleep(0.05)
    raise AssertionError(f"{count} workers were never at work together")


def test_two_workers_share_the_jobs_and_one_is_killed(tmp_path: Path, engine: RayEngine) -> None:
    with running(tmp_path / "jobs", engine, on_crash="again") as up:
        jobs = [up.client.create(PHOTO, MOTION, frames=48, seed=seed).id for seed in range(4)]
        busy = at_work(up, 2)
        assert set(busy.values()) == set(jobs[:2])
        killed, job = next(iter(busy.items()))
        ray.kill(engine.actors[killed].handle)
        digests = set()
        for each in jobs:
            done = up.client.wait(each)
            assert done.state == "succeeded"
            assert done.result is not None
            digests.add(done.result.frames_sha256)
            kinds = [event.kind for event in up.client.events(each)]
            assert kinds.count("succeeded") == 1
            assert ("again" in kinds) == (each == job)
            assert up.client.video(each)[4:8] == b"ftyp"
        assert len(digests) == 1  # preview knows no chance, wherever it runs


def test_a_job_is_cancelled_and_another_fails_in_words(tmp_path: Path, engine: RayEngine) -> None:
    with running(tmp_path / "jobs", engine) as up:
        job = up.client.create(PHOTO, MOTION, frames=200)
        at_work(up, 1)
        up.client.cancel(job.id)
        assert [event.kind for event in up.client.events(job.id)][-1] == "cancelled"
        bad = up.client.create(PHOTO, MOTION, backbone="tiny", size=(50, 50))
        with pytest.raises(JobFailed, match="The backbone 'tiny' cannot make"):
            up.client.wait(bad.id)
