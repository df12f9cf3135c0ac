"""The files of the page, and what a browser may do with them."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from kinema_apps.studio import WEB

#: Scripts and styles of this server alone; pictures and videos may also come from memory.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = POLICY
        # The files change with the package only; an etag tells.
        response.headers["cache-control"] = "no-cache"
        return response


def add_pages(app: FastAPI) -> None:
    """Serve the page at ``/studio/``, and lead there from ``/``."""

    async def home(request: Request) -> Response:
        return RedirectResponse(request.url_for("studio", path="/"))

    app.add_route("/", home, include_in_schema=False)
    app.add_route("/studio", home, include_in_schema=False)
    app.mount("/studio", _Files(directory=WEB, html=True), name="studio")
