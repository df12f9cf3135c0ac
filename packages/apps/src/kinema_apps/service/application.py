"""The ASGI application: routes, guards, and the life of the service behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from kinema.errors import KinemaError
from kinema_apps.service import api
from kinema_apps.service.engines import Engine
from kinema_apps.service.guards import CLIENT, Access, Answers, Bounds
from kinema_apps.service.heads import Heads
from kinema_apps.service.openapi import document
from kinema_apps.service.problems import say_problems
from kinema_apps.service.service import Service
from kinema_apps.service.settings import Settings

#: What needs no token: whether it works is asked by what has none.
OPEN = ("/healthz", "/readyz")

ABOUT = (
    "Says what in a photo should move, and how; gives a video. Create a job from a photo and a "
    "Motion, follow its events, and fetch its video. What answers GET answers HEAD too."
)


def application(
    settings: Settings, *, open_paths: Sequence[str] = (), engine: Engine | None = None
) -> FastAPI:
    """The application of these settings.

    Args:
        open_paths: further paths that need no token, such as those of a page that asks for one.
        engine: where jobs are made; the one that the settings name unless given.

    Raises:
        InputError: a backbone of the settings is not installed, or has no such option.
    """
    service = Service(settings, engine)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        try:
            service.open()
        except KinemaError as error:
            app.state.failed = error  # for who waits; servers of ASGI keep it to themselves
            raise
        try:
            yield
        finally:
            await run_in_threadpool(service.close)

    app = FastAPI(
        title="kinema",
        version=version("kinema-apps"),
        summary="Videos of a photo and a Motion.",
        description=ABOUT,
        lifespan=life,
        # Their pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    app.state.looking = api.looking()
    routers = (api.health, api.offers, api.jobs)
    for router in routers:
        app.include_router(router)
    say_problems(app, routers)
    app.openapi = _Document(app, bool(settings.tokens))  # type: ignore[method-assign]
    # The last that is added is the first that a request meets.
    app.add_middleware(Heads)
    app.add_middleware(Access, settings=settings, open_paths=(*OPEN, *open_paths))
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.origins),
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["authorization", "idempotency-key", "last-event-id", CLIENT],
            expose_headers=["location", "retry-after"],
        )
    app.add_middleware(Bounds, settings=settings)
    app.add_middleware(Answers, measures=service.measures)
    return app


class _Document:
    """Makes the OpenAPI document when it is first asked for."""

    def __init__(self, app: FastAPI, tokens: bool) -> None:
        self._make = partial(document, app, tokens)
        self._made: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._made is None:
            self._made = self._make()
        return self._made
