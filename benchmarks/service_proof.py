"""What ``kinema serve`` bears: many clients, ends at any moment, and uploads that are none.

Each part starts a server of its own, as people do, and talks to it over HTTP. Run from the root of
the repository:

    python benchmarks/service_proof.py load                # 200 jobs of 32 clients
    python benchmarks/service_proof.py kill                # 50 times kill -9, server or worker
    python benchmarks/service_proof.py uploads             # 500 malformed uploads
    python benchmarks/service_proof.py all --write docs/performance.md

A part ends with an error if what it shows does not hold: a job is lost or finished twice, a file is
half written, the order is unfair, a request is answered by 5xx, or something grows. Times are of
the machine; compare them with one another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import httpx

import kinema
from kinema.media.video import Video
from kinema_apps.client import AsyncClient, Client, ServiceError
from kinema_apps.motion_options import SAMPLE

MOTION = kinema.Motion.load(SAMPLE / "motion.json")
PHOTO = (SAMPLE / "photo.jpg").read_bytes()

#: Small videos: what is measured is the service.
FORM: dict[str, Any] = {"size": (256, 160), "frames": 8}

#: Seconds until all jobs of a part must be over.
PATIENCE = 1800


class Broken(Exception):
    """What the service promises does not hold."""


def hold(holds: bool, text: str) -> None:
    """End with ``text`` unless it holds."""
    if not holds:
        raise Broken(text)


# -- a server as people start it ------------------------------------------------------------------


@attrs.define
class Server:
    """A server process, its address and its log."""

    folder: Path
    port: int
    words: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """All that its processes say."""
        return self.folder.with_suffix(".log")

    def start(self, ready: bool = True) -> None:
        """Start it, and wait until it answers, or until it has a worker."""
        command = [sys.executable, "-m", "kinema_apps.cli", "serve", "--port", str(self.port)]
        command += ["--folder", str(self.folder), *self.words]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with suppress(httpx.TransportError):
                answer = httpx.get(f"{self.url}/readyz", timeout=5)
                if answer.status_code == 200 or not ready:
                    return
            hold(self.process.poll() is None, f"The server ended: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        raise Broken("The server does not get ready.")

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self.process is not None
        return self.process.pid

    def workers(self) -> list[int]:
        """Of its worker, if it has one now."""
        path = Path(f"/proc/{self.pid}/task")
        children = [(task / "children").read_text().split() for task in path.iterdir()]
        return [int(word) for words in children for word in words]

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as a person would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@contextmanager
def server(*words: str, ready: bool = True) -> Iterator[Server]:
    """A server in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="kinema-proof-") as scratch:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        made = Server(Path(scratch) / "jobs", port, words)
        made.start(ready)
        try:
            yield made
        finally:
            if made.process is not None and made.process.poll() is None:
                made.process.kill()
                made.process.wait()


# -- load -----------------------------------------------------------------------------------------


async def _one_client(url: str, name: str, count: int, took: list[float]) -> list[dict[str, Any]]:
    async with AsyncClient(url, user=name, timeout=120) as client:
        jobs = [
            (await client.create(PHOTO, MOTION, seed=seed, patience=PATIENCE, **FORM)).id
            for seed in range(count)
        ]
        done = []
        for job in jobs:
            while True:
                begun = time.perf_counter()
                status = await client.status(job)
                took.append(time.perf_counter() - begun)
                if status.is_final:
                    break
                await asyncio.sleep(0.5)
            kinds = [event.kind async for event in client.events(job)]
            done.append({"client": name, "kinds": kinds, **status.data})
        return done


def _unfair(jobs: list[dict[str, Any]]) -> int:
    """How many jobs were begun although a client with a waiting job had its turn longer ago."""
    from datetime import datetime

    def at(job: Mapping[str, Any], what: str) -> float:
        return datetime.fromisoformat(job[what]).timestamp()

    order = sorted(jobs, key=lambda job: at(job, "started"))
    last: dict[str, int] = {}
    wrong = 0
    for place, job in enumerate(order):
        # A job that came in this very moment may be seen or not.
        waiting = {
            j["client"] for j in order[place:] if at(j, "created") < at(job, "started") - 0.1
        }
        wrong += any(last.get(name, -1) < last.get(job["client"], -1) for name in waiting)
        last[job["client"]] = place
    return wrong


def load(count: int = 200, clients: int = 32) -> dict[str, str]:
    """Many jobs of many clients, who ask for the status of their jobs twice a second."""
    shares = [count // clients + (number < count % clients) for number in range(clients)]
    took: list[float] = []

    async def run(url: str) -> list[dict[str, Any]]:
        names = [f"client-{number}" for number in range(clients)]
        each = [_one_client(url, n, share, took) for n, share in zip(names, shares, strict=True)]
        return [job for jobs in await asyncio.gather(*each) for job in jobs]

    with server() as up:
        begun = time.monotonic()
        jobs = asyncio.run(run(up.url))
        seconds = time.monotonic() - begun
        up.stop()
    states = Counter(job["state"] for job in jobs)
    hold(states == {"succeeded": count}, f"Not every job succeeded: {states}")
    ends = [sum(kind == "succeeded" for kind in job["kinds"]) for job in jobs]
    hold(set(ends) == {1}, "A job was finished twice.")
    wrong = _unfair(jobs)
    hold(wrong == 0, f"{wrong} jobs were begun out of turn.")
    took.sort()
    return {
        "jobs, clients": f"{count}, {clients}",
        "jobs lost, or finished twice": "0",
        "jobs begun out of turn": "0",
        "status calls": f"{len(took)}",
        "status call, median": f"{1000 * took[len(took) // 2]:.1f} ms",
        "status call, 95th of 100": f"{1000 * took[int(0.95 * len(took))]:.1f} ms",
        "jobs per second": f"{count / seconds:.2f}",
    }


# -- kill -----------------------------------------------------------------------------------------


def kill(times: int = 50, seed: int = 0) -> dict[str, str]:
    """``kill -9`` of the server or its worker at random moments, while jobs are queued and made."""
    chance = random.Random(seed)
    killed: Counter[str] = Counter()
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write('tries = 1000\non_crash = "again"\n[limits]\nqueue_per_client = 200\n')
        config.flush()
        with server("--config", config.name) as up:
            keys = [f"job-{number}" for number in range(2 * times)]
            for number in range(times):
                for place in (2 * number, 2 * number + 1):  # some job always waits
                    _create(up, keys[place], place)
                time.sleep(chance.uniform(0.0, 8.0))
                if chance.random() < 0.5:
                    killed["server"] += 1
                    up.kill()
                    up.start(ready=False)
                    continue
                for pid in up.workers():
                    killed["worker"] += 1
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            jobs = {key: _create(up, key, number) for number, key in enumerate(keys)}
            again = _all_once(up, jobs)
            up.stop()
            _whole(up.folder, list(jobs.values()))
    return {
        "kill -9 of the server, of the worker": f"{killed['server']}, {killed['worker']}",
        "jobs": f"{2 * times}",
        "jobs lost, or finished twice": "0",
        "jobs begun again": f"{again}",
        "half-written files": "0",
    }


def _create(up: Server, key: str, number: int) -> str:
    """A job under a key; sent again while no server answers."""
    with Client(up.url) as client:
        end = time.monotonic() + 120
        while True:
            try:
                made = client.create(PHOTO, MOTION, idempotency_key=key, seed=number, **FORM)
            except ServiceError:
                hold(time.monotonic() < end, "The server does not take jobs any more.")
            else:
                return made.id


def _all_once(up: Server, jobs: Mapping[str, str]) -> int:
    """Wait for all; how many were begun more than once."""
    again = 0
    hold(len(set(jobs.values())) == len(jobs), "One key made several jobs.")
    with Client(up.url) as client:
        for job in jobs.values():
            kinds = [event.kind for event in client.events(job)]
            ends = [kind for kind in kinds if kind in ("succeeded", "failed", "cancelled")]
            hold(ends == ["succeeded"], f"The job {job} ended as {ends}: {kinds}")
            again += "again" in kinds
        hold(len(client.jobs(limit=200)) == len(jobs), "There are jobs that nobody made.")
    return again


def _whole(folder: Path, jobs: list[str]) -> None:
    """Every file is whole, and no other is there."""
    hold(sorted(path.name for path in (folder / "jobs").iterdir()) == sorted(jobs), "Odd folders.")
    hold(not list((folder / "incoming").iterdir()), "Half an upload was left.")
    with sqlite3.connect(folder / "jobs.sqlite3") as db:
        hold(db.execute("PRAGMA integrity_check").fetchone() == ("ok",), "The store is damaged.")
    db.close()
    for job in jobs:
        files = [path.relative_to(folder / "jobs" / job) for path in _files(folder / "jobs" / job)]
        names = sorted(path.name for path in files)
        hold(names == ["manifest.json", "photo.jpg", "video.mp4"], f"Odd files: {files}")
        video = next((folder / "jobs" / job).glob("try-*/video.mp4"))
        hold(len(Video.load(video).frames) == FORM["frames"], f"Half a video: {video}")
        json.loads(video.with_name("manifest.json").read_text())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# -- uploads --------------------------------------------------------------------------------------


def _bodies(chance: random.Random) -> Iterator[tuple[bytes, str]]:
    """Bodies of requests that are wrong in one way or another, and their types, without end."""
    document = MOTION.to_dict()
    edge = "edge"
    kind = f"multipart/form-data; boundary={edge}"

    def part(name: str, content: bytes, file: bool = True) -> bytes:
        named = f'; filename="{name}"' if file else ""
        head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        return head.encode() + content + b"\r\n"

    def body(photo: bytes, job: Any) -> bytes:
        text = job if isinstance(job, bytes) else json.dumps(job).encode()
        return part("photo", photo) + part("job", text) + f"--{edge}--\r\n".encode()

    good = {"motion": document}
    while True:
        cut = chance.randrange(len(PHOTO))
        noise = chance.randbytes(chance.randrange(1, 20_000))
        place = chance.randrange(20, len(PHOTO))
        yield body(PHOTO[:cut], good), kind
        yield body(noise, good), kind
        yield body(PHOTO, chance.randbytes(200)), kind
        yield body(PHOTO, b"[" * chance.randrange(20, 5000)), kind
        yield body(PHOTO, {"motion": {**document, "canvas": [10**9, 10**9]}}), kind
        yield body(PHOTO, {"motion": {**document, "regions": [{"mask": "/etc/passwd"}]}}), kind
        yield body(PHOTO, {"motion": {**document, "regions": [{"png": "AAAA"}] * 3}}), kind
        yield body(PHOTO, {**good, "frames": 10**9}), kind
        yield body(PHOTO, {**good, "options": {"x" * 50: "y" * 5000}}), kind
        yield part("photo", PHOTO)[: chance.randrange(10, len(PHOTO))], kind
        yield part("../../x", noise) * 20, kind
        yield noise, kind
        yield noise, "multipart/form-data"
        yield noise, "application/json"
        yield body(PHOTO[:place] + noise + PHOTO[place : place + 5], good), kind


def _handles(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _memory(pid: int) -> float:
    """Resident, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def uploads(count: int = 500, seed: int = 0) -> dict[str, str]:
    """Malformed uploads, some of them broken off, and what they leave behind."""
    bodies = _bodies(random.Random(seed))
    answers: Counter[int] = Counter()
    scratch = tempfile.mkdtemp(prefix="kinema-proof-tmp-")
    os.environ["TMPDIR"] = scratch  # where a server puts what it spools
    try:
        with server(ready=True) as up, httpx.Client(base_url=up.url, timeout=60) as http:

            def send(number: int) -> None:
                content, kind = next(bodies)
                if number % 5 == 4:
                    _broken_off(up, content, kind)
                    return
                headers = {"content-type": kind}
                answers[http.post("/v1/jobs", content=content, headers=headers).status_code] += 1

            for number in range(100):  # until caches and threads are there
                send(number)
            memory, handles = _memory(up.pid), _settled(up.pid)
            answers.clear()
            for number in range(count):
                send(number)
            grown, more = _memory(up.pid) - memory, _settled(up.pid) - handles
            left = len(os.listdir(scratch)) + len(os.listdir(up.folder / "incoming"))
            kept = len(os.listdir(up.folder / "jobs"))
            hold(not any(status >= 500 for status in answers), f"Answers: {answers}")
            hold(not answers[201] or kept == answers[201], f"{kept} jobs were kept of {answers}")
            hold(more <= 0, f"{more} handles more than before.")
            hold(left == 0, f"{left} temporary files were left.")
            hold(grown < 30, f"{grown:.1f} MiB more than before.")
            up.stop()
    finally:
        os.environ.pop("TMPDIR")
        with suppress(OSError):
            os.rmdir(scratch)
    told = ", ".join(f"{number} x {status}" for status, number in sorted(answers.items()))
    return {
        "uploads": f"{count}, {count // 5} of them broken off",
        "answers": told,
        "memory of the server": f"{memory:.0f} MiB before, {grown:+.1f} MiB",
        "open handles": f"{handles} before, {more:+d}",
        "temporary files left": "0",
    }


def _broken_off(up: Server, content: bytes, kind: str) -> None:
    with socket.create_connection(("127.0.0.1", up.port), timeout=20) as connection:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        head += f"Content-Length: {len(content) + 1000}\r\n\r\n"
        connection.sendall(head.encode() + content)


def _settled(pid: int) -> int:
    """Open handles, once connections that were broken off are gone."""
    least = _handles(pid)
    for _ in range(20):
        time.sleep(0.1)
        least = min(least, _handles(pid))
    return least


# -- telling --------------------------------------------------------------------------------------

PARTS = {
    "load": (load, "200 jobs of 32 clients"),
    "kill": (kill, "`kill -9` at random moments"),
    "uploads": (uploads, "Malformed uploads"),
}


def table(name: str, rows: Mapping[str, str]) -> str:
    """A part as Markdown."""
    lines = [f"| {what} | {value} |" for what, value in rows.items()]
    return "\n".join([f"### {PARTS[name][1]}", "", "| What | Found |", "| --- | ---: |", *lines])


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--write", metavar="PAGE", type=Path, help="a page with the two marks")
    options = parser.parse_args()
    names = list(PARTS) if options.part == "all" else [options.part]
    texts = []
    for name in names:
        texts.append(table(name, PARTS[name][0]()))
        print(texts[-1], flush=True)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        first, last = "<!-- service: start -->", "<!-- service: end -->"
        before, after = page.partition(first)[0], page.partition(last)[2]
        text = "\n\n".join([first, *texts, last])
        options.write.write_text(before + text + after, encoding="utf-8")


if __name__ == "__main__":
    main()
