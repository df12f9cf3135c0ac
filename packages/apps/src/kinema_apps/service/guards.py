"""What stands before every route, mounted ones too: who may call, and how much and how slowly."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinema_apps.service.measures import Measures
from kinema_apps.service.problems import problem
from kinema_apps.service.settings import Settings

LOG = logging.getLogger("kinema.service")

SAFE = ("GET", "HEAD", "OPTIONS")

#: A page of this service may load nothing and lie in no frame, unless its route says otherwise.
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

#: The header by which a product that holds a token tells its own users apart.
CLIENT = "kinema-client"

#: Characters of that header.
MOST_CLIENT = 64


class SlowClient(Exception):
    """It did not read what it asked for."""


class Bounds:
    """Refuses bodies that are too large or too slow, and gives up on who does not read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._limits = app, settings.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on with bounds."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limits = self._limits
        headers = Headers(scope=scope)
        said = headers.get("content-length", "0")
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy that believes the other of the two takes the rest for a request of its own.
            answer = problem(400, "A request has a length or is chunked, not both.")
            answer.headers["connection"] = "close"
            await answer(scope, receive, send)
            return
        if not said.isdecimal() or int(said) > limits.body_bytes:
            await problem(413, self._too_large())(scope, receive, send)
            return
        begun, count, whole = time.monotonic(), 0, False

        async def bounded() -> Message:
            nonlocal count, whole
            if whole:  # what comes now is that the client has gone, whenever that is
                return await receive()
            left = begun + limits.upload_seconds - time.monotonic()
            try:
                message = await asyncio.wait_for(
                    receive(), max(0.0, min(limits.idle_seconds, left))
                )
            except TimeoutError:
                raise HTTPException(408, "The request came too slowly.") from None
            count += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if count > limits.body_bytes:
                raise HTTPException(413, self._too_large())
            return message

        async def patient(message: Message) -> None:
            try:
                await asyncio.wait_for(send(message), limits.idle_seconds)
            except TimeoutError:
                raise SlowClient from None

        try:
            await self._app(scope, bounded, patient)
        except SlowClient:
            LOG.info("client reads too slowly", extra={"path": scope["path"]})

    def _too_large(self) -> str:
        return f"A request has at most {self._limits.body_bytes} bytes."


class Access:
    """Lets in who may call, and writes down who that is as ``scope["state"]["client"]``.

    Args:
        open_paths: those that need no token; a path ends with ``/`` to mean all below it, but ``/``
            means itself alone.
    """

    def __init__(self, app: ASGIApp, settings: Settings, open_paths: Sequence[str]) -> None:
        self._app = app
        self._tokens = {name: _digest(secret) for name, secret in settings.tokens.items()}
        self._open = tuple(open_paths)
        self._origins = set(settings.origins)
        names = {"localhost", "127.0.0.1", "[::1]", settings.host, *settings.names}
        # Behind a token, no page of a stranger gets anything, whatever name it was reached under.
        self._names = names if not settings.tokens or settings.names else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._foreign(scope, headers)
        if refusal:
            await problem(403, refusal)(scope, receive, send)
            return
        holder = self._holder(headers)
        if holder is None and not self._is_open(_below_root(scope)):
            answer = problem(401, "A token is needed: 'Authorization: Bearer TOKEN'.")
            answer.headers["www-authenticate"] = "Bearer"
            await answer(scope, receive, send)
            return
        user = headers.get(CLIENT, "")
        if len(user) > MOST_CLIENT or not user.isprintable():
            text = f"{CLIENT} is a name of at most {MOST_CLIENT} printable characters."
            await problem(400, text)(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["holder"], state["client"] = holder or "", f"{holder or ''}/{user}"
        await self._app(scope, receive, send)

    def _holder(self, headers: Headers) -> str | None:
        """Whose token it is; None for nobody's."""
        if not self._tokens:
            return ""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        given = _digest(secret.strip())
        found = None
        for name, digest in self._tokens.items():  # all, so that time tells nothing
            if hmac.compare_digest(given, digest) and scheme.lower() == "bearer":
                found = name
        return found

    def _is_open(self, path: str) -> bool:
        return any(
            path == each or (each != "/" and each.endswith("/") and path.startswith(each))
            for each in self._open
        )

    def _foreign(self, scope: Scope, headers: Headers) -> str:
        """Why a request is refused that another site's page may have caused, or empty."""
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if self._names is not None and name.lower() not in self._names:
            return f"The service is not called {name[:80]!r}; name it with --name."
        origin = headers.get("origin")
        if scope.get("method") in SAFE or origin in self._origins:
            return ""
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "A page of another site may not do that; allow its origin with --origin."
        if origin is None and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "A page of another site may not do that."
        return ""


class Answers:
    """Adds the headers of every answer, counts it and logs it."""

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app, self._measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and watch the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._told(scope, message["status"], time.monotonic() - begun)
            await send(message)

        await self._app(scope, receive, watched)

    def _told(self, scope: Scope, status: int, seconds: float) -> None:
        # The route and not the path: paths hold ids, and strangers choose them.
        route = getattr(scope.get("route"), "path", "other")
        method = (
            scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
        )
        self._measures.request(method, route, status, seconds)
        LOG.info(
            "request",
            extra={
                "method": method,
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 1),
                "client": scope.get("state", {}).get("client", ""),
            },
        )


def _below_root(scope: Scope) -> str:
    """The path below that under which a proxy serves, as routes know it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if path.startswith(f"{root}/") else path


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
