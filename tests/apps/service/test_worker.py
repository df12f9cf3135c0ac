"""The service with its real worker process, and backbones that make real videos."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kinema
from kinema.media.video import Video
from kinema_apps.client import Client, JobFailed
from kinema_apps.motion_options import SAMPLE
from kinema_apps.service.local_engine import LocalEngine
from kinema_apps.service.testing import running

pytestmark = [pytest.mark.all_packages, pytest.mark.slow]

MOTION = kinema.Motion.load(SAMPLE / "motion.json")
PHOTO = SAMPLE / "photo.jpg"


@pytest.fixture
def engine() -> LocalEngine:
    return LocalEngine()


@pytest.fixture
def client(tmp_path: Path, engine: LocalEngine) -> Iterator[Client]:
    with running(tmp_path / "jobs", engine) as up:
        yield up.client


def test_the_video_is_the_one_that_a_session_makes(client: Client, tmp_path: Path) -> None:
    done = client.animate(PHOTO, MOTION, tmp_path / "out.mp4", seed=5, frames=4)
    assert done.result is not None
    assert (done.result.size, done.result.frames, done.result.fps) == ((512, 320), 4, 8.0)
    assert Video.load(tmp_path / "out.mp4").frames.shape == (4, 320, 512, 3)
    alone = kinema.animate(PHOTO, MOTION, "preview", seed=5, frames=4)
    assert alone.manifest is not None
    assert done.result.frames_sha256 == alone.manifest.frames_sha256
    manifest = client.manifest(done.id)
    assert manifest["photo"]["path"] == "photo.jpg"
    assert str(tmp_path) not in json.dumps(manifest)
    assert kinema.Motion.from_dict(manifest["motion"]) == MOTION


def test_a_backbone_of_steps_tells_them_and_draws_pictures(client: Client) -> None:
    motion = kinema.Motion(canvas=(64, 64), drags=[kinema.Drag([(20, 30), (40, 36)])])
    photo = io.BytesIO()
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[20:44, 8:32] = (220, 60, 30)
    Image.fromarray(pixels).save(photo, "PNG")
    options: Any = {"backbone": "tiny", "sample": {"steps": 3}, "forms": ["webp", "gif"]}
    job = client.create(photo.getvalue(), motion, **options)
    events = list(client.events(job.id))
    steps = [event.data["step"] for event in events if event.kind == "progress"]
    assert sorted(set(steps)) == [1, 2, 3]
    drawn = [event.data["picture"] for event in events if event.kind == "picture"]
    assert drawn
    with Image.open(io.BytesIO(client._http.get(drawn[0]).content)) as rough:
        assert rough.size == (160, 160)
        # The first frame is the photo: red where the square is, dark where it is not.
        first = np.asarray(rough.convert("RGB")).astype(int)
    assert first[60:100, 30:70, 0].mean() > first[120:150, 100:150, 0].mean() + 60
    assert client.manifest(job.id)["sample"]["steps"] == 3
    for form in ("webp", "gif"):
        with Image.open(io.BytesIO(client.video(job.id, form))) as made:
            assert made.size == (64, 64)


def test_a_worker_that_is_killed_fails_its_job_and_is_replaced(
    client: Client, engine: LocalEngine
) -> None:
    job = client.create(PHOTO, MOTION, frames=64)
    events = client.events(job.id)
    assert [next(events).kind, next(events).kind] == ["queued", "started"]
    first = engine.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(JobFailed, match="it was ended by SIGKILL, as the system does"):
        client.wait(job.id)
    events.close()  # type: ignore[attr-defined]
    assert client.wait(client.create(PHOTO, MOTION, frames=2).id).state == "succeeded"
    assert engine.pid != first


def test_a_job_is_cancelled_between_two_steps(client: Client, engine: LocalEngine) -> None:
    assert client.wait(client.create(PHOTO, MOTION, frames=2).id).state == "succeeded"
    worker = engine.pid
    job = client.create(PHOTO, MOTION, frames=200)
    events = client.events(job.id)
    while next(events).kind != "started":
        pass
    client.cancel(job.id)
    assert [event.kind for event in events] == ["cancelled"]
    assert engine.pid == worker  # it went on living


def test_what_cannot_be_made_fails_in_words(client: Client) -> None:
    job = client.create(PHOTO, MOTION, backbone="tiny", size=(50, 50))
    with pytest.raises(JobFailed, match="The backbone 'tiny' cannot make"):
        client.wait(job.id)


def test_the_worker_ends_with_its_server(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kinema_apps.cli", "serve", "--port", "0"]
    command += ["--folder", str(tmp_path / "jobs")]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    pid = 0
    for line in server.stderr:
        if '"worker started"' in line:
            pid = json.loads(line)["pid"]
            break
    server.kill()
    server.wait()
    server.stderr.close()
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
