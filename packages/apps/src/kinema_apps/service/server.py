"""Serving the application with uvicorn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from kinema.errors import InputError
from kinema_apps.service.settings import Settings

#: Connections that are open at once; who comes then is told 503.
CONNECTIONS = 512

#: Bytes of a request's head.
HEAD = 32 * 1024


def protocol(idle_seconds: float) -> type[H11Protocol]:
    """HTTP/1.1 that closes a connection on which the head of a request does not come to its end.

    uvicorn waits for it as long as a client likes.
    """

    class Impatient(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait(True)

        def handle_events(self) -> None:
            super().handle_events()
            # Between two requests uvicorn has a time of its own; not once a byte has come.
            begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
            self._wait(begun)

        def connection_lost(self, exc: Exception | None) -> None:
            self._wait(False)
            super().connection_lost(exc)

        def _wait(self, wait: bool) -> None:
            if not wait and self._timer is not None:
                self._timer.cancel()
                self._timer = None
            elif wait and self._timer is None:
                self._timer = self.loop.call_later(idle_seconds, self.transport.abort)

    return Impatient


def listen(settings: Settings) -> socket.socket:
    """A socket that is bound to the address of the settings.

    Raises:
        InputError: it cannot be.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. Choose "
            "another --port; 0 takes a free one."
        ) from None
    return listener


def configured(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves an application."""
    return uvicorn.Config(
        app,
        http=protocol(settings.limits.idle_seconds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        root_path=settings.root_path,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=HEAD,
        timeout_keep_alive=int(settings.limits.idle_seconds),
        timeout_graceful_shutdown=3,
    )


def serve(app: FastAPI, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end.

    Args:
        ready: called with the address once it listens.

    Raises:
        InputError: the address cannot be listened on.
        KinemaError: the engine does not come up.
    """
    app.state.service.claim()  # said in a line, where uvicorn would show a traceback
    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        try:
            uvicorn.Server(configured(app, settings)).run([listener])
        finally:
            # Of an engine that failed, some versions of uvicorn make a SystemExit, others nothing.
            failed = getattr(app.state, "failed", None)
            if failed is not None:
                raise failed from None
