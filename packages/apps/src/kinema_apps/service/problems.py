"""Errors over the wire: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import http
import math
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kinema.errors import InputError
from kinema_apps.service.wire import Problem

MEDIA_TYPE = "application/problem+json"


class NoPlace(Exception):
    """The queue is full.

    Attributes:
        seconds: until it is worth to try again.
    """

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(detail)
        self.detail, self.seconds = detail, seconds


def problem(status: int, detail: str, wait_seconds: float | None = None) -> JSONResponse:
    """The answer that says what is wrong."""
    told = Problem(
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        wait_seconds=wait_seconds,
    )
    answer = JSONResponse(told.model_dump(exclude_none=True), status, media_type=MEDIA_TYPE)
    if wait_seconds is not None:
        answer.headers["retry-after"] = str(math.ceil(wait_seconds))
    return answer


def say_problems(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Let every error of an application with these routes be told in this form."""
    routes = [each for router in routers for each in router.routes if isinstance(each, Route)]

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            error.headers = {"allow": ", ".join(_methods(routes, request.url.path))}
        answer = problem(error.status_code, str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    async def bad_parameter(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = [f"{_where(fault)}: {fault['msg']}" for fault in error.errors()[:5]]
        return problem(422, "; ".join(faults) + ".")

    async def bad_input(_: Request, error: Exception) -> Response:
        return problem(422, str(error))

    async def no_place(_: Request, error: Exception) -> Response:
        assert isinstance(error, NoPlace)
        return problem(429, error.detail, error.seconds)

    async def broken(_: Request, error: Exception) -> Response:
        return problem(500, "The service failed unexpectedly. Its log says more.")

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, bad_parameter)
    app.add_exception_handler(InputError, bad_input)
    app.add_exception_handler(NoPlace, no_place)
    app.add_exception_handler(Exception, broken)


def _methods(routes: Sequence[Route], path: str) -> list[str]:
    """What can be done at a path; a route alone knows its own methods only."""
    found = [route.methods or () for route in routes if route.path_regex.match(path)]
    every = {method for methods in found for method in methods}
    return sorted(every | {"HEAD"} if "GET" in every else every)


def _where(fault: dict[str, Any]) -> str:
    return ".".join(str(step) for step in fault["loc"])


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these errors."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        code: {
            "description": http.HTTPStatus(code).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for code in codes
    }
