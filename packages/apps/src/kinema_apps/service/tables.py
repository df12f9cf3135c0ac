"""The tables of a service's store, and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import sqlalchemy as sql

from kinema_apps.service.states import FINAL, EventKind, State

#: Of the tables below, in ``PRAGMA user_version``.
VERSION = 1

TABLES = sql.MetaData()

JOBS = sql.Table(
    "jobs",
    TABLES,
    sql.Column("seq", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("id", sql.String, nullable=False, unique=True),
    sql.Column("client", sql.String, nullable=False, index=True),
    sql.Column("key", sql.String),
    sql.Column("digest", sql.String, nullable=False),
    sql.Column("backbone", sql.String, nullable=False),
    sql.Column("request", sql.JSON, nullable=False),
    sql.Column("state", sql.String, nullable=False, index=True),
    sql.Column("tries", sql.Integer, nullable=False, default=0),
    sql.Column("cancelling", sql.Boolean, nullable=False, default=False),
    sql.Column("step", sql.Integer, nullable=False, default=0),
    sql.Column("steps", sql.Integer, nullable=False, default=0),
    sql.Column("created", sql.Float, nullable=False),
    sql.Column("started", sql.Float),
    sql.Column("finished", sql.Float, index=True),
    sql.Column("bytes", sql.Integer, nullable=False, default=0),
    sql.Column("result", sql.JSON),
    sql.Column("error", sql.JSON),
    sql.UniqueConstraint("client", "key"),
    sqlite_autoincrement=True,
)

EVENTS = sql.Table(
    "events",
    TABLES,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("job", sql.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    sql.Column("kind", sql.String, nullable=False),
    sql.Column("data", sql.JSON, nullable=False),
    sql.Column("at", sql.Float, nullable=False),
    sqlite_autoincrement=True,
)

TURNS = sql.Table(
    "turns",
    TABLES,
    sql.Column("client", sql.String, primary_key=True),
    sql.Column("turn", sql.Integer, nullable=False),
)


@attrs.frozen(kw_only=True)
class Job:
    """A row of the table of jobs; see there."""

    seq: int
    id: str
    client: str
    key: str | None
    digest: str
    backbone: str
    request: Mapping[str, Any]
    state: State
    tries: int
    cancelling: bool
    step: int
    steps: int
    created: float
    started: float | None
    finished: float | None
    bytes: int
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


@attrs.frozen(kw_only=True)
class Event:
    """Something that happened to a job."""

    id: int
    kind: EventKind
    data: Mapping[str, Any]
    at: float
