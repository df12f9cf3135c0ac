"""HEAD, for everything that answers GET: the same status and headers, and no body."""

from __future__ import annotations

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: They make a GET partial or conditional on its part; HEAD has no parts (RFC 9110, section 14.2).
PARTS = (b"range", b"if-range")


class _Told(Exception):
    """All that was asked for is said, and what would follow need not be made."""


class Heads:
    """Asks with GET for what is asked for with HEAD, and ends once the headers are there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on; no file is read and no stream begun for a HEAD."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in PARTS]
        asked = {**scope, "method": "GET", "headers": headers}

        async def head(message: Message) -> None:
            if message["type"] != "http.response.start":
                return
            # By its route the request is counted.
            scope.update((name, asked[name]) for name in ("route",) if name in asked)
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            raise _Told

        with contextlib.suppress(_Told):
            await self._app(asked, receive, head)
