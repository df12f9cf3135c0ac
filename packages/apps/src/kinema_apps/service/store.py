"""The jobs of a service and what happened to them, in SQLite.

Every change of a job's state is one transaction that names the state it leaves and the try it
belongs to, so that what a lost worker or a killed server said too late changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy import event
from sqlalchemy.engine import Connection

from kinema.errors import InputError
from kinema_apps.service.states import FINAL, EventKind, State
from kinema_apps.service.tables import EVENTS, JOBS, TABLES, TURNS, VERSION, Event, Job

#: Finished jobs whose time says how long the next will take.
RECENT = 20


class QueueFull(Exception):
    """There is no place for another job.

    Attributes:
        ahead: jobs that are to be begun before there is one.
        mine: whether it is the client's own share that is full.
    """

    def __init__(self, ahead: int, mine: bool) -> None:
        super().__init__(ahead, mine)
        self.ahead, self.mine = ahead, mine


class KeyTaken(Exception):
    """The client has a job under that idempotency key."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.id)
        self.job = job


class Store:
    """The database of one service; safe to use from several threads.

    Raises:
        InputError: the file is of a later version.
    """

    def __init__(self, path: Path) -> None:
        self._writing = threading.Lock()
        self._engine = sql.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        event.listen(self._engine, "connect", _connected)
        event.listen(self._engine, "begin", _begin)
        with self._write() as db:
            found = db.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found > VERSION:
                raise InputError(
                    f"The jobs in {str(path)!r} were written by a later version of kinema-apps "
                    f"(form {found}, this one reads {VERSION}). Update it, or take another folder."
                )
            TABLES.create_all(db)
            db.exec_driver_sql(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction that changes something; one at a time."""
        with self._writing, self._engine.connect() as connection:
            db = connection.execution_options(kinema_begin="IMMEDIATE")
            with db.begin():
                yield db

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._engine.connect() as db:
            yield db

    # -- new jobs -----------------------------------------------------------------------------

    def add(
        self,
        *,
        job: str,
        client: str,
        key: str | None,
        digest: str,
        backbone: str,
        request: Mapping[str, Any],
        size: int,
        queue: int,
        per_client: int,
    ) -> Job:
        """Queue a job.

        Args:
            size: of its files, in bytes.
            queue, per_client: how many may wait.

        Raises:
            QueueFull: there is no place for it.
            KeyTaken: the client has a job under that key.
        """
        with self._write() as db:
            if key is not None:
                held = self._one(db, (JOBS.c.client == client) & (JOBS.c.key == key))
                if held is not None:
                    raise KeyTaken(held)
            waiting = self._waiting(db)
            mine = sum(name == client for name, _ in waiting)
            if mine >= per_client:
                first = next(job for name, job in waiting if name == client)
                raise QueueFull(_order(waiting).index(first) + 1, mine=True)
            if len(waiting) >= queue:
                raise QueueFull(1, mine=False)
            db.execute(
                JOBS.insert().values(
                    id=job,
                    client=client,
                    key=key,
                    digest=digest,
                    backbone=backbone,
                    request=dict(request),
                    state="queued",
                    created=time.time(),
                    bytes=size,
                )
            )
            self._tell(db, job, "queued", {})
            made = self._one(db, JOBS.c.id == job)
        assert made is not None
        return made

    # -- looking ------------------------------------------------------------------------------

    def get(self, job: str) -> Job | None:
        """The job of that id."""
        with self._read() as db:
            return self._one(db, JOBS.c.id == job)

    def by_key(self, client: str, key: str) -> Job | None:
        """The job that a client made under an idempotency key."""
        with self._read() as db:
            return self._one(db, (JOBS.c.client == client) & (JOBS.c.key == key))

    def of_client(
        self, client: str, limit: int, before: int | None, state: str | None
    ) -> list[Job]:
        """The jobs of a client, latest first.

        Args:
            limit: how many at most.
            before: only those whose ``seq`` is less.
            state: only those in it.
        """
        query = sql.select(JOBS).where(JOBS.c.client == client)
        if before is not None:
            query = query.where(JOBS.c.seq < before)
        if state is not None:
            query = query.where(JOBS.c.state == state)
        with self._read() as db:
            rows = db.execute(query.order_by(JOBS.c.seq.desc()).limit(limit)).mappings()
            return [Job(**row) for row in rows]

    def events(self, job: str, after: int = 0) -> list[Event]:
        """What happened to a job after the event of that id, in order."""
        query = (
            sql.select(EVENTS.c.id, EVENTS.c.kind, EVENTS.c.data, EVENTS.c.at)
            .where((EVENTS.c.job == job) & (EVENTS.c.id > after))
            .order_by(EVENTS.c.id)
        )
        with self._read() as db:
            return [Event(**row) for row in db.execute(query).mappings()]

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        query = sql.select(JOBS.c.state, sql.func.count()).group_by(JOBS.c.state)
        with self._read() as db:
            return {row[0]: row[1] for row in db.execute(query)}

    def order(self) -> list[str]:
        """The ids of the waiting jobs in the order in which they will be begun."""
        with self._read() as db:
            return _order(self._waiting(db))

    def usual_seconds(self) -> float | None:
        """What the latest jobs took on average; None before the first."""
        took = sql.select((JOBS.c.finished - JOBS.c.started).label("took"))
        took = took.where(JOBS.c.state == "succeeded")
        latest = took.order_by(JOBS.c.finished.desc()).limit(RECENT).subquery()
        with self._read() as db:
            mean: float | None = db.execute(sql.select(sql.func.avg(latest.c.took))).scalar_one()
        return mean

    # -- the life of a job --------------------------------------------------------------------

    def take(self) -> Job | None:
        """Begin the next job: the oldest of the client whose turn was longest ago."""
        with self._write() as db:
            order = _order(self._waiting(db))
            if not order:
                return None
            job = self._one(db, JOBS.c.id == order[0])
            assert job is not None
            turn = (db.execute(sql.select(sql.func.max(TURNS.c.turn))).scalar() or 0) + 1
            db.execute(TURNS.delete().where(TURNS.c.client == job.client))
            db.execute(TURNS.insert().values(client=job.client, turn=turn))
            db.execute(
                JOBS.update()
                .where(JOBS.c.id == job.id)
                .values(state="running", tries=job.tries + 1, started=time.time(), step=0, steps=0)
            )
            self._tell(db, job.id, "started", {"try": job.tries + 1})
            return self._one(db, JOBS.c.id == job.id)

    def advance(
        self, job: str, tried: int, step: int, steps: int, pictures: Sequence[str] = ()
    ) -> bool:
        """Say how far a job is; False if that try of it is over."""
        with self._write() as db:
            if not self._change(db, job, tried, step=step, steps=steps):
                return False
            self._tell(db, job, "progress", {"step": step, "steps": steps})
            for name in pictures:
                self._tell(db, job, "picture", {"step": step, "steps": steps, "name": name})
            return True

    def finish(
        self,
        job: str,
        tried: int,
        state: State,
        *,
        result: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
        size: int | None = None,
    ) -> bool:
        """End a try of a running job for good; False if that try is over already."""
        values: dict[str, Any] = {"state": state, "finished": time.time()}
        if result is not None:
            values["result"] = dict(result)
        if error is not None:
            values["error"] = dict(error)
        if size is not None:
            values["bytes"] = size
        with self._write() as db:
            if not self._change(db, job, tried, **values):
                return False
            assert state in ("succeeded", "failed", "cancelled")
            self._tell(db, job, state, error or {})
            return True

    def again(self, job: str, tried: int, reason: str) -> bool:
        """Put a running job back to its place in the queue; False if that try is over."""
        with self._write() as db:
            if not self._change(db, job, tried, state="queued", started=None, step=0, steps=0):
                return False
            self._tell(db, job, "again", {"reason": reason})
            return True

    def cancel(self, job: str) -> Job | None:
        """End a waiting job, and mark a running one; the job as it then is."""
        with self._write() as db:
            done = db.execute(
                JOBS.update()
                .where((JOBS.c.id == job) & (JOBS.c.state == "queued"))
                .values(state="cancelled", cancelling=True, finished=time.time())
            )
            if done.rowcount:
                self._tell(db, job, "cancelled", {})
            else:
                db.execute(
                    JOBS.update()
                    .where((JOBS.c.id == job) & (JOBS.c.state == "running"))
                    .values(cancelling=True)
                )
            return self._one(db, JOBS.c.id == job)

    def delete(self, job: str) -> bool:
        """Forget a job that is over; False if it is not."""
        with self._write() as db:
            done = db.execute(JOBS.delete().where((JOBS.c.id == job) & JOBS.c.state.in_(FINAL)))
            return bool(done.rowcount)

    def running(self) -> list[Job]:
        """The jobs that some worker is at, or was when the server went away."""
        with self._read() as db:
            rows = db.execute(sql.select(JOBS).where(JOBS.c.state == "running")).mappings()
            return [Job(**row) for row in rows]

    def ids(self) -> set[str]:
        """Of all jobs."""
        with self._read() as db:
            return set(db.execute(sql.select(JOBS.c.id)).scalars())

    def outlived(self, before: float, most_bytes: int) -> list[str]:
        """The finished jobs to be deleted.

        Args:
            before: those that finished earlier go.
            most_bytes: of the files of all jobs; the earliest finished go until the rest fits.
        """
        query = sql.select(JOBS.c.id, JOBS.c.finished, JOBS.c.bytes).where(JOBS.c.state.in_(FINAL))
        total = sql.select(sql.func.coalesce(sql.func.sum(JOBS.c.bytes), 0))
        with self._read() as db:
            left = db.execute(total).scalar_one()
            rows = db.execute(query.order_by(JOBS.c.finished)).all()
        gone = []
        for job, finished, size in rows:
            if finished >= before and left <= most_bytes:
                break
            gone.append(job)
            left -= size
        return gone

    def forget_turns(self) -> None:
        """Forget the turns of clients that have no job."""
        with self._write() as db:
            db.execute(TURNS.delete().where(TURNS.c.client.not_in(sql.select(JOBS.c.client))))

    # -- within a transaction -----------------------------------------------------------------

    @staticmethod
    def _one(db: Connection, which: sql.ColumnElement[bool]) -> Job | None:
        row = db.execute(sql.select(JOBS).where(which)).mappings().first()
        return None if row is None else Job(**row)

    @staticmethod
    def _change(db: Connection, job: str, tried: int, **values: Any) -> bool:
        """Change a running job in that try of it."""
        same = (JOBS.c.id == job) & (JOBS.c.state == "running") & (JOBS.c.tries == tried)
        return bool(db.execute(JOBS.update().where(same).values(**values)).rowcount)

    @staticmethod
    def _tell(db: Connection, job: str, kind: EventKind, data: Mapping[str, Any]) -> None:
        db.execute(EVENTS.insert().values(job=job, kind=kind, data=dict(data), at=time.time()))

    @staticmethod
    def _waiting(db: Connection) -> list[tuple[str, str]]:
        """(client, id) of the waiting jobs: clients by their last turn, jobs by age."""
        turn = sql.func.coalesce(TURNS.c.turn, 0)
        query = (
            sql.select(JOBS.c.client, JOBS.c.id)
            .select_from(JOBS.outerjoin(TURNS, JOBS.c.client == TURNS.c.client))
            .where(JOBS.c.state == "queued")
            .order_by(turn, JOBS.c.seq)
        )
        return [(row[0], row[1]) for row in db.execute(query)]


def _order(waiting: Sequence[tuple[str, str]]) -> list[str]:
    """The ids, one of each client after another, clients in the order of their first."""
    lines: dict[str, list[str]] = {}
    for client, job in waiting:
        lines.setdefault(client, []).append(job)
    longest = max(map(len, lines.values()), default=0)
    return [line[place] for place in range(longest) for line in lines.values() if place < len(line)]


def _connected(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("kinema_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")
