"""The life of jobs over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import kinema
from kinema_apps.client import AsyncClient, Busy, Client, JobFailed, Refused
from kinema_apps.service.settings import Limits, Retention
from kinema_apps.service.testing import Running, ScriptedEngine

Serve = Callable[..., Running]


def kinds(client: Client, job: str) -> list[str]:
    return [event.kind for event in client.events(job)]


def test_a_job_becomes_a_video(
    served: Running, photo: bytes, motion: kinema.Motion, tmp_path: Path
) -> None:
    job = served.client.create(photo, motion, seed=3, frames=4)
    assert (job.state, job.backbone) in (
        ("queued", "toy"),
        ("running", "toy"),
        ("succeeded", "toy"),
    )
    done = served.client.wait(job.id)
    assert done.state == "succeeded"
    assert done.result is not None
    assert done.result.size == (32, 16)
    assert served.client.video(job.id) == b"moving"
    assert kinds(served.client, job.id) == ["queued", "started", "succeeded"]
    task = served.engine.tasks[0]
    assert task.request["seed"] == 3
    assert Path(task.photo).read_bytes() == photo
    assert kinema.Motion.from_dict(task.request["motion"]) == motion
    served.client.animate(photo, motion, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"moving"


def test_the_client_for_asyncio_does_the_same(
    served: Running, photo: bytes, motion: kinema.Motion, tmp_path: Path
) -> None:
    async def run() -> None:
        async with AsyncClient(served.url) as client:
            done = await client.animate(photo, motion, tmp_path / "out.mp4")
            assert [event.kind async for event in client.events(done.id)] == [
                "queued",
                "started",
                "succeeded",
            ]
            assert [job.id for job in await client.jobs(state="succeeded")] == [done.id]
            assert (await client.offers())["backbones"][0]["name"] == "toy"
            assert await client.is_ready()
            assert (await client.manifest(done.id))["files"] == {"unet.bin": "00"}
            await client.delete(done.id)
            with pytest.raises(Refused, match="404: There is no such job"):
                await client.status(done.id)
            with pytest.raises(Refused, match="422: The photo is no whole JPEG, PNG or WebP"):
                await client.create(b"photo", motion)
            with pytest.raises(Refused, match="409: The job is over"):
                await client.cancel((await client.create(photo, motion)).id)

    asyncio.run(run())
    assert (tmp_path / "out.mp4").read_bytes() == b"moving"


def test_progress_and_pictures_are_told_as_they_come(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(by_itself=False))
    job = up.client.create(photo, motion)
    folder = Path(up.engine.wait_for(1).folder)
    seen: list[tuple[int, int]] = []
    events = up.client.events(job.id)
    assert [next(events).kind, next(events).kind] == ["queued", "started"]
    (folder / "step-0001.webp").write_bytes(b"rough")
    up.engine.say("w0", "progress", step=1, steps=4)
    up.engine.say("w0", "picture", step=1, steps=4, name="step-0001.webp")
    progress = next(events)
    assert (progress.kind, progress.data["step"], progress.data["steps"]) == ("progress", 1, 4)
    drawn = next(events)
    while drawn.kind == "progress":
        drawn = next(events)
    assert drawn.data["picture"] == f"/v1/jobs/{job.id}/pictures/step-0001.webp"
    assert up.client._http.get(drawn.data["picture"]).content == b"rough"
    up.engine.succeed()
    up.client.wait(job.id, lambda step, steps: seen.append((step, steps)))
    assert seen[0] == (1, 4)


def test_a_stream_goes_on_after_an_event(
    served: Running, photo: bytes, motion: kinema.Motion
) -> None:
    job = served.client.create(photo, motion)
    events = list(served.client.events(job.id))
    rest = list(served.client.events(job.id, after=events[0].id))
    assert [event.kind for event in rest] == ["started", "succeeded"]
    # 204 tells an EventSource of a browser that there is nothing to connect to any more.
    last = {"last-event-id": str(events[-1].id)}
    answer = served.client._http.get(f"/v1/jobs/{job.id}/events", headers=last)
    assert answer.status_code == 204


def test_an_idempotency_key_makes_one_job(
    served: Running, photo: bytes, motion: kinema.Motion
) -> None:
    first = served.client.create(photo, motion, idempotency_key="one")
    again = served.client.create(photo, motion, idempotency_key="one")
    assert again.id == first.id
    with pytest.raises(Refused, match="belongs to another request"):
        served.client.create(photo, motion, idempotency_key="one", seed=1)
    other = served.user("other").create(photo, motion, idempotency_key="one")
    assert other.id != first.id
    assert len(served.service.store.ids()) == 2


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_by_its_worker(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(by_itself=False))
    running, waiting = up.client.create(photo, motion), up.client.create(photo, motion)
    up.engine.wait_for(1)
    assert up.client.status(waiting.id).position == 0
    assert up.client.cancel(waiting.id).state == "cancelled"
    assert kinds(up.client, waiting.id) == ["queued", "cancelled"]
    assert up.client.cancel(running.id).state == "running"
    with pytest.raises(Refused, match="409"):
        up.client.delete(running.id)
    events = up.client.events(running.id)
    while not up.engine.cancelled:
        assert up.client.status(running.id).state == "running"
    up.engine.say("w0", "cancelled")
    assert [event.kind for event in events] == ["queued", "started", "cancelled"]
    with pytest.raises(kinema.Cancelled):
        up.client.wait(running.id)


def test_a_job_that_fails_says_why(serve: Serve, photo: bytes, motion: kinema.Motion) -> None:
    up = serve(ScriptedEngine(by_itself=False))
    job = up.client.create(photo, motion)
    up.engine.wait_for(1)
    up.engine.say("w0", "failed", code="memory", message="There was not enough memory.")
    with pytest.raises(JobFailed, match=f"The job {job.id} failed: There was not enough memory"):
        up.client.wait(job.id)
    assert up.client.status(job.id).error_code == "memory"


def test_a_lost_worker_fails_its_job_alone(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(slots=2, by_itself=False))
    first, second = up.client.create(photo, motion), up.client.create(photo, motion)
    up.engine.wait_for(2)
    waiting = up.client.create(photo, motion)
    up.engine.lose("w0")
    with pytest.raises(JobFailed, match="Its worker went away: it was ended by SIGKILL"):
        up.client.wait(first.id)
    assert up.client.status(second.id).state == "running"
    up.engine.arrive("w2")
    up.engine.wait_for(3)
    up.engine.succeed("w1")
    up.engine.succeed("w2")
    assert up.client.wait(second.id).state == "succeeded"
    assert up.client.wait(waiting.id).state == "succeeded"


def test_a_lost_worker_may_be_replaced_and_the_job_begun_again(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(by_itself=False), on_crash="again", tries=2)
    job = up.client.create(photo, motion)
    first = up.engine.wait_for(1)
    (Path(first.folder) / "video.mp4").write_bytes(b"half")
    up.engine.lose("w0")
    up.engine.arrive("w1")
    second = up.engine.wait_for(2)
    assert (second.job, second.tried) == (job.id, 2)
    assert not Path(first.folder).exists()
    up.engine.lose("w1")
    assert kinds(up.client, job.id) == ["queued", "started", "again", "started", "failed"]
    assert "It was tried 2 times." in up.client.status(job.id).error_message


def test_what_a_lost_worker_says_too_late_changes_nothing(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(by_itself=False), on_crash="again")
    job = up.client.create(photo, motion)
    up.engine.wait_for(1)
    up.engine.lose("w0")
    up.engine.say("w0", "succeeded", forms={}, size=[1, 1])
    up.engine.arrive("w1")
    up.engine.wait_for(2)
    assert up.client.status(job.id).state == "running"
    up.engine.succeed("w1")
    up.client.wait(job.id)
    assert kinds(up.client, job.id) == ["queued", "started", "again", "started", "succeeded"]


def test_a_restart_loses_nothing(serve: Serve, photo: bytes, motion: kinema.Motion) -> None:
    up = serve(ScriptedEngine(by_itself=False))
    done = up.client.create(photo, motion, idempotency_key="done")
    up.engine.wait_for(1)
    up.engine.succeed()
    up.client.wait(done.id)
    cut, waiting, dropped = (up.client.create(photo, motion) for _ in range(3))
    up.engine.wait_for(2)
    up.client.cancel(dropped.id)

    up = serve()
    for job in (cut, waiting):
        assert up.client.wait(job.id).state == "succeeded"
    assert [task.job for task in up.engine.tasks] == [cut.id, waiting.id]
    assert kinds(up.client, cut.id) == ["queued", "started", "again", "started", "succeeded"]
    assert up.client.video(done.id) == b"moving"
    assert up.client.status(dropped.id).state == "cancelled"
    assert up.client.create(photo, motion, idempotency_key="done").id == done.id


def test_a_restart_may_fail_what_was_running(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(by_itself=False))
    job = up.client.create(photo, motion)
    up.engine.wait_for(1)
    up = serve(on_restart="fail")
    with pytest.raises(JobFailed, match="The server went away while it was made"):
        up.client.wait(job.id)
    assert up.engine.tasks == []


def test_clients_take_turns(serve: Serve, photo: bytes, motion: kinema.Motion) -> None:
    engine = ScriptedEngine(by_itself=False)
    up = serve(engine)
    many, few = up.user("many"), up.user("few")
    first = [many.create(photo, motion) for _ in range(4)]
    engine.wait_for(1)
    later = [few.create(photo, motion) for _ in range(2)]
    assert [up.client.status(job.id).position for job in later] == [0, 2]
    for count in range(1, 7):
        engine.wait_for(count)
        engine.succeed()
    order = [task.job for task in engine.tasks]
    expected = [first[0], later[0], first[1], later[1], first[2], first[3]]
    assert order == [job.id for job in expected]


def test_a_full_queue_says_how_long_to_wait(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    limits = Limits(queue=3, queue_per_client=2)
    up = serve(ScriptedEngine(by_itself=False), limits=limits)
    clients = [up.user(name) for name in ("a", "b")]
    clients[0].create(photo, motion)
    up.engine.wait_for(1)
    for _ in range(2):
        clients[0].create(photo, motion)
    with pytest.raises(Busy, match="Of one client, 2 jobs wait at most") as busy:
        clients[0].create(photo, motion)
    assert busy.value.wait_seconds == 10.0  # the guess before any job is done
    last = clients[1].create(photo, motion, idempotency_key="last")
    with pytest.raises(Busy, match="At most 3 jobs wait"):
        clients[1].create(photo, motion)
    # Who only repeats a request whose answer was lost needs no place.
    assert clients[1].create(photo, motion, idempotency_key="last").id == last.id
    answer = clients[1]._http.post("/v1/jobs", files={"photo": photo})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert len(list((up.service.settings.folder / "jobs").iterdir())) == 4


def test_jobs_are_listed_for_who_made_them(
    served: Running, photo: bytes, motion: kinema.Motion
) -> None:
    one, two = served.user("one"), served.user("two")
    made = [one.create(photo, motion).id for _ in range(3)]
    two.create(photo, motion)
    assert [job.id for job in one.jobs()] == made[::-1]
    page = one._http.get("/v1/jobs", params={"limit": 2}).json()
    rest = one._http.get("/v1/jobs", params={"limit": 2, "before": page["next"]}).json()
    assert [job["id"] for job in (*page["jobs"], *rest["jobs"])] == made[::-1]


def test_a_deleted_job_leaves_no_file(served: Running, photo: bytes, motion: kinema.Motion) -> None:
    job = served.client.create(photo, motion, idempotency_key="k")
    served.client.wait(job.id)
    folder = served.service.settings.folder / "jobs" / job.id
    assert (folder / "photo.png").is_file()
    served.client.delete(job.id)
    assert not folder.exists()
    assert served.client.create(photo, motion, idempotency_key="k").id != job.id


def test_finished_jobs_go_by_age_and_by_size(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve()
    jobs = [up.client.create(photo, motion) for _ in range(3)]
    for job in jobs:
        up.client.wait(job.id)
    store = up.service.store
    each = up.service.files.size(jobs[0].id)
    assert store.outlived(0.0, 3 * each) == []
    assert store.outlived(0.0, 2 * each) == [jobs[0].id]
    assert store.outlived(1e12, 3 * each) == [job.id for job in jobs]
    up = serve(retention=Retention(bytes=each))
    while len(up.client.jobs()) > 1:  # swept by the first turn of the dispatcher
        pass
    assert [job.id for job in up.client.jobs()] == [jobs[2].id]
    assert [path.name for path in (up.service.settings.folder / "jobs").iterdir()] == [jobs[2].id]


def test_a_second_service_does_not_share_a_folder(served: Running, tmp_path: Path) -> None:
    from kinema_apps.service.service import Service

    with pytest.raises(kinema.InputError, match="Another service is at work in the folder"):
        Service(served.service.settings).open()


def test_every_picture_of_a_job_reaches_its_worker(
    served: Running, picture: Callable[..., bytes], motion: kinema.Motion
) -> None:
    pictures = [picture(form=form) for form in ("PNG", "JPEG", "WEBP", "PNG", "JPEG")]
    job = served.client.create(
        pictures[0], motion, last_image=pictures[1], plate=pictures[2], references=pictures[3:]
    )
    served.client.wait(job.id)
    (task,) = served.engine.tasks
    paths = [task.photo, task.last_image, task.plate, *task.references]
    assert [Path(path).read_bytes() for path in paths] == pictures
    names = ["photo.png", "last_image.jpg", "plate.webp", "references.png", "references-2.jpg"]
    assert [Path(path).name for path in paths] == names


def test_what_answers_get_answers_head_with_its_headers_alone(
    served: Running, photo: bytes, motion: kinema.Motion
) -> None:
    job = served.client.create(photo, motion)
    served.client.wait(job.id)
    ours = ("content-type", "content-length", "accept-ranges", "etag", "content-disposition")
    with httpx.Client(base_url=served.url) as client:
        for path, length in (
            (f"/v1/jobs/{job.id}/video.mp4", str(len(b"moving"))),
            (f"/v1/jobs/{job.id}/manifest", None),
            (f"/v1/jobs/{job.id}/photo", str(len(photo))),
            (f"/v1/jobs/{job.id}", None),
            (f"/v1/jobs/{job.id}/video.gif", None),
            ("/healthz", None),
        ):
            whole, head = client.get(path), client.head(path)
            assert head.status_code == whole.status_code
            assert head.content == b""
            assert [head.headers.get(name) for name in ours] == [
                whole.headers.get(name) for name in ours
            ]
            assert head.headers["x-content-type-options"] == "nosniff"
            assert length in (None, head.headers["content-length"])
        video = f"/v1/jobs/{job.id}/video.mp4"
        part = {"range": "bytes=2-4"}
        assert (client.get(video, headers=part).status_code, client.head(video).status_code) == (
            206,
            200,
        )
        assert client.get(video, headers=part).content == b"vin"
        # Parts are for GET alone.
        head = client.head(video, headers=part)
        assert (head.status_code, head.headers["content-length"]) == (200, "6")
        assert head.headers["accept-ranges"] == "bytes"
        refused = client.head(f"/v1/jobs/{job.id}/cancel")
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert client.patch(video).headers["allow"] == "GET, HEAD"
        # It is counted by its route, as any request.
        counted = r'method="HEAD",route="/v1/jobs/{job}/video.{form}",status="200"'
        assert counted in client.get("/metrics").text


def test_a_head_for_events_begins_no_stream(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(ScriptedEngine(by_itself=False))
    job = up.client.create(photo, motion)
    with httpx.Client(base_url=up.url) as client:
        head = client.head(f"/v1/jobs/{job.id}/events")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"].startswith("text/event-stream")
        # The connection is of use still.
        assert client.get("/healthz").status_code == 200
        assert "kinema_streams 0.0" in client.get("/metrics").text
