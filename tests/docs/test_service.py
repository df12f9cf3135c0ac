"""The examples of "Call the service" and "Run the service"."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import kinema
from kinema.media.video import Video
from kinema_apps.commands.serve import read_settings
from kinema_apps.service.catalogue import Catalogue
from kinema_apps.service.local_engine import LocalEngine
from kinema_apps.service.testing import running

pytestmark = pytest.mark.all_packages

EXAMPLES = Path(__file__).parents[2] / "examples" / "service"


@pytest.fixture
def url(desk: Path) -> Iterator[str]:
    """Of a service with its real worker."""
    with running(desk / "jobs", LocalEngine()) as up:
        yield up.url


@pytest.mark.slow
def test_from_python(url: str, desk: Path) -> None:
    # fmt: off
    # --8<-- [start:python]
    from kinema_apps.client import Client

    motion = kinema.Motion(canvas=(640, 427), drags=[kinema.Drag([(200, 150), (260, 130)])])

    with Client(url) as client:
        done = client.animate("photo.jpg", motion, "out.mp4", frames=8, on_progress=print)
    # --8<-- [end:python]
    assert done.result is not None
    assert len(Video.load("out.mp4").frames) == 8
    # --8<-- [start:steps]
    from kinema_apps.client import Busy, JobFailed

    with Client(url, user="visitor-17") as client:
        try:
            job = client.create("photo.jpg", motion, seed=1, forms=["mp4", "webp"])
        except Busy as busy:
            print(f"full; try again in {busy.wait_seconds} seconds")
        for event in client.events(job.id):
            print(event.kind, event.data.get("step"), event.data.get("picture"))
        try:
            video = client.video(client.wait(job.id).id, "webp")
        except JobFailed as failed:
            print(failed.code, failed)
        client.delete(job.id)
    # --8<-- [end:steps]
    assert video[8:12] == b"WEBP"
    # --8<-- [start:asyncio]
    from kinema_apps.client import AsyncClient

    async def four() -> None:
        async with AsyncClient(url) as client:
            await asyncio.gather(
                *(client.animate("photo.jpg", motion, f"{n}.mp4", seed=n) for n in range(4))
            )
    # --8<-- [end:asyncio]
    # fmt: on
    asyncio.run(four())
    assert all(Path(f"{n}.mp4").stat().st_size > 1000 for n in range(4))


@pytest.mark.slow
@pytest.mark.parametrize(("program", "name"), [("bash", "animate.sh"), ("node", "animate.mjs")])
def test_from_elsewhere(program: str, name: str, url: str, desk: Path) -> None:
    if shutil.which(program) is None or (name == "animate.sh" and shutil.which("curl") is None):
        pytest.skip(f"there is no {program} here")
    told = {**os.environ, "KINEMA_URL": url}
    done = subprocess.run([program, EXAMPLES / name], env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "event: succeeded" in done.stdout
    assert len(Video.load("out.mp4").frames) == 16


def test_the_settings_can_be_used(tmp_path: Path) -> None:
    given: dict[str, object] = {"backbones": ()}
    settings = read_settings(str(tmp_path), None, str(EXAMPLES / "service.toml"), given)
    assert settings.limits.frames == 64
    assert settings.retention.days == 2
    catalogue = Catalogue(settings)
    names = [entry.name for entry in catalogue]
    assert (names, catalogue.default) == (["preview", "quick"], "preview")
    quick = next(each for each in catalogue.describe().backbones if each.name == "quick")
    assert quick.sample["properties"]["steps"]["default"] == 2


def test_an_application_can_be_built_on_it(desk: Path) -> None:
    # fmt: off
    # --8<-- [start:mount]
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from kinema_apps import service

    application = service.app(service.Settings(folder="jobs"), open_paths=["/studio/"])

    def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("a page")

    application.mount("/studio", Starlette(routes=[Route("/", page)]))
    # --8<-- [end:mount]
    # fmt: on
    from starlette.testclient import TestClient

    with TestClient(application, base_url="http://127.0.0.1") as client:
        answer = client.get("/studio/")
        assert answer.text == "a page"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/v1/offers").status_code == 200
