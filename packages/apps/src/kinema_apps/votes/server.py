"""The page on which people vote."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.errors import InputError
from kinema.extras import require
from kinema.files import parse_json
from kinema_apps.votes.gate import LOOPBACK, Gate
from kinema_apps.votes.store import Trial, Vote, VoteStore
from kinema_apps.votes.study import MEDIA, QUESTIONS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

EXTRA = "kinema-apps[votes]"

#: The files of the page and what they are.
PAGE = {
    "": ("index.html", "text/html; charset=utf-8"),
    "votes.css": ("votes.css", "text/css; charset=utf-8"),
    "votes.js": ("votes.js", "text/javascript; charset=utf-8"),
}

TITLES = {
    "motion-quality": "Motion quality",
    "temporal-coherence": "Temporal coherence",
    "trajectory-alignment": "Trajectory alignment",
}

#: Longest time in seconds that is believed of one comparison.
LONGEST = 86_400.0


def build_app(store: VoteStore, folder: Path, token: str = "") -> ASGIApp:
    """The page of one study.

    Args:
        store: where votes go.
        folder: of the study.
        token: see :class:`~kinema_apps.votes.gate.Gate`.

    Raises:
        ExtraError: starlette is not installed.
    """
    require("starlette", EXTRA, "A page to vote on")
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Route

    served = store.study.media()
    page = files("kinema_apps.votes") / "page"

    def show(request: Request) -> Response:
        name, kind = PAGE[request.url.path.lstrip("/")]
        return Response(
            (page / name).read_bytes(), media_type=kind, headers={"cache-control": "no-cache"}
        )

    def media(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in served:
            raise HTTPException(404, "There is no such file.")
        kind = "video/mp4" if name.endswith(".mp4") else "image/png"
        return FileResponse(
            folder / MEDIA / name,
            media_type=kind,
            headers={"cache-control": "private, max-age=86400"},
        )

    def answered(work: Callable[[Any], Any]) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            from starlette.concurrency import run_in_threadpool

            try:
                data = parse_json(await request.body(), "The request", InputError)
                if not isinstance(data, dict):
                    raise InputError("The request is no JSON object.")
                # Flushing to the disk takes a while, and others may be loading videos.
                answer = await run_in_threadpool(work, data)
            except InputError as error:
                return JSONResponse({"error": str(error)}, 400)
            except OSError as error:
                reason = error.strerror or str(error)
                return JSONResponse({"error": f"The vote could not be kept: {reason}."}, 507)
            return JSONResponse(answer, headers={"cache-control": "no-store"})

        return handle

    def enrol(data: Any) -> Any:
        rater = data.get("rater") or f"r-{secrets.token_hex(8)}"
        trials = store.enrol(str(rater), _now())
        return {
            "study": store.study.key,
            "rater": rater,
            "ties": store.study.ties,
            "questions": {name: [TITLES[name], text] for name, text in QUESTIONS.items()},
            "trials": [_shown(store, trial) for trial in trials],
            "done": sorted(index for name, index in store.votes if name == rater),
        }

    def vote(data: Any) -> Any:
        return {"new": store.add(_vote(data))}

    routes = [Route(f"/{path}", show, methods=["GET"]) for path in PAGE]
    # Browsers ask for it unasked.
    routes += [Route("/favicon.ico", lambda request: Response(status_code=204))]
    routes += [
        Route("/media/{name}", media, methods=["GET"]),
        Route("/api/raters", answered(enrol), methods=["POST"]),
        Route("/api/votes", answered(vote), methods=["POST"]),
    ]
    return Gate(Starlette(routes=routes), token)


def _shown(store: VoteStore, trial: Trial) -> dict[str, Any]:
    """A trial as the page gets it: nothing in it tells the models."""
    study = store.study
    if trial.check is not None:
        names = [study.check(trial.check, side == "intact") for side in (trial.a, trial.b)]
    else:
        names = [study.video(trial.item, model) for model in (trial.a, trial.b)]
    return {
        "a": f"/media/{names[0]}",
        "b": f"/media/{names[1]}",
        "drawing": f"/media/{study.drawing(trial.item)}" if trial.item in study.drawn else None,
        "questions": list(study.questions(trial.item)),
    }


def _vote(data: Any) -> Vote:
    rater, trial = data.get("rater"), data.get("trial")
    answers, seconds = data.get("answers"), data.get("seconds", 0.0)
    if not isinstance(rater, str) or type(trial) is not int or not isinstance(answers, dict):
        raise InputError("A vote has a rater, the number of a trial, and answers.")
    if not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST:
        seconds = 0.0
    said = {str(name): str(answer)[:8] for name, answer in answers.items()}
    return Vote(rater=rater, trial=trial, answers=said, seconds=round(float(seconds), 1), at=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; 0 takes any free port.

    Raises:
        InputError: the address is not to be had.
    """
    found = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except (OSError, OverflowError) as error:
        if found is not None:
            found.close()
        raise InputError(
            f"Nothing can be served at {host}:{port}: {error}. Choose another --port or --host."
        ) from None
    return found


def token_for(host: str) -> str:
    """A new token where others than this machine can ask; empty on loopback."""
    return "" if host in LOOPBACK else secrets.token_urlsafe(24)


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    shown = f"[{shown}]" if ":" in shown else shown
    return f"http://{shown}:{port}/" + (f"?token={token}" if token else "")


def serve(app: ASGIApp, where: socket.socket) -> None:
    """Serve until interrupted.

    Raises:
        ExtraError: uvicorn is not installed.
        KeyboardInterrupt: it was interrupted; open requests were answered first.
    """
    require("uvicorn", EXTRA, "A page to vote on")
    import uvicorn

    # Its log would hold the address with the token.
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", lifespan="off", server_header=False,
        timeout_graceful_shutdown=5, limit_concurrency=256,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[where])
