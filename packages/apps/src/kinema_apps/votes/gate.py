"""Who may speak to a local page, and what a browser may do with it."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Hosts that only this machine reaches.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: The most that a request may send, in bytes; a vote has less than a tenth of that.
MOST_BODY = 16 * 1024

COOKIE = "kinema_votes"

#: Nothing but what the page itself brings is loaded, run, framed or sent to.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Gate:
    """Lets through what may pass, with strict headers on every answer.

    Args:
        app: what lies behind.
        token: whoever does not know it is refused; empty where only this machine can ask.
    """

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        from starlette.responses import PlainTextResponse, RedirectResponse

        refused = self._refused(scope, headers)
        if refused is not None:
            status, text = refused
            await PlainTextResponse(text, status)(scope, receive, sealed)
        elif self._brings_token(scope):
            # So that the token does not stay in the address, which people copy.
            answer = RedirectResponse(scope["path"], 303)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="lax", path="/")
            await answer(scope, receive, sealed)
        else:
            await self.app(scope, receive, sealed)

    def _refused(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self.token and _name(host) not in LOOPBACK:
            # Another name for this machine in a foreign page's address (DNS rebinding).
            return 421, "This page is reached under 127.0.0.1 or localhost only.\n"
        if self.token and not (self._brings_token(scope) or self._knows_token(headers)):
            return 401, "Open the address with its token, as it was given to you.\n"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "This page is read and voted on, nothing else.\n"
        if scope["method"] == "POST":
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != host:
                return 403, "Votes come from this page only.\n"
            if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                return 415, "Votes are JSON.\n"
            length = headers.get("content-length", "")
            if not length.isdecimal():
                return 411, "Say how long the vote is.\n"
            if int(length) > MOST_BODY:
                return 413, f"A vote has at most {MOST_BODY} bytes.\n"
        return None

    def _brings_token(self, scope: Scope) -> bool:
        if not self.token or scope["method"] != "GET":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return _same(given, self.token)

    def _knows_token(self, headers: Mapping[str, str]) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and _same(morsel.value, self.token)


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
