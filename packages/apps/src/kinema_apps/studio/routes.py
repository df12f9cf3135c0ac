"""The routes that the page has beside those of the service."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tempfile
import threading
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, HTTPException, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from kinema.check import check_motion
from kinema.errors import InputError, MotionError
from kinema.files import parse_json
from kinema.formats import FORMATS, read_motion
from kinema.motion.motion import Motion
from kinema_apps.service.settings import MIB, Limits, Settings
from kinema_apps.service.uploads import check_photo, read_request
from kinema_apps.studio.annotation import Annotation
from kinema_apps.studio.live import LivePreview, check_options, packed
from kinema_apps.studio.observed import observe

#: Of a motion or camera file that is imported.
MOST_IMPORT = 64 * MIB
#: Of a video that is looked at.
MOST_VIDEO = 128 * MIB

_Name = Annotated[str, PathParameter(max_length=255)]


def router(settings: Settings, annotation: Annotation | None) -> APIRouter:
    """Photos, previews, imports, checks, and annotation if there is any."""
    routes = APIRouter(prefix="/v1/studio", tags=["studio"])
    live = LivePreview()
    routes.add_event_handler("shutdown", live.close)
    _Live(live, settings.limits).on(routes)
    if annotation is not None:
        _Annotated(annotation, settings.limits).on(routes)

    @routes.get("")
    def about() -> dict[str, Any]:
        """What this studio has."""
        return {
            "annotation": annotation is not None,
            "formats": [
                {"name": form.name, "summary": form.summary, "written": form.write is not None}
                for form in FORMATS.values()
            ],
        }

    return routes


async def _body(request: Request, most: int) -> bytes:
    """The whole body.

    Raises:
        HTTPException: 413, it is larger than ``most`` bytes.
    """
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise HTTPException(413, f"This takes at most {most} bytes.")
    return bytes(content)


def _motion(document: Any, limits: Limits) -> Motion:
    """The motion, checked as one of a job."""
    return read_request(json.dumps({"motion": document}).encode(), limits)[1]


class _Live:
    def __init__(self, live: LivePreview, limits: Limits) -> None:
        self._live, self._limits = live, limits
        self._looking = threading.Lock()

    def on(self, routes: APIRouter) -> None:
        routes.add_api_route("/photos", self.keep_photo, methods=["POST"], status_code=201)
        routes.add_api_route("/preview", self.preview, methods=["POST"])
        routes.add_api_route("/check", self.check, methods=["POST"])
        routes.add_api_route("/import", self.imported, methods=["POST"])
        routes.add_api_route("/observe", self.observed, methods=["POST"])

    async def keep_photo(self, request: Request, after: BackgroundTasks) -> dict[str, Any]:
        """Keep a photo for previews; the body is the file."""
        content = await _body(request, self._limits.photo_bytes)

        def keep() -> dict[str, Any]:
            check_photo(io.BytesIO(content), "photo", self._limits)
            key = hashlib.sha256(content).hexdigest()
            width, height = self._live.keep(key, content)
            return {"photo": key, "width": width, "height": height}

        kept = await run_in_threadpool(keep)
        after.add_task(self._live.warm)
        return kept

    async def preview(self, request: Request) -> Response:
        """Frames of a motion, JPEG files each after its length; 204 if a later one was asked for.

        The body is an object with ``photo``, ``motion``, ``options`` and ``rough``.
        """
        content = await _body(request, self._limits.job_bytes)
        client = f"{request.state.client} {request.headers.get('kinema-page', '')[:64]}"

        def render() -> list[bytes]:
            told, motion = self._read(content)
            key = told.get("photo")
            if not isinstance(key, str) or not self._live.has(key):
                raise HTTPException(404, "The photo is not here any more; send it again.")
            options = check_options(told.get("options", {}))
            rough = told.get("rough") is True
            return self._live.frames(client, key, motion, options, rough=rough)

        frames = await run_in_threadpool(render)
        if not frames:
            return Response(status_code=204)
        return Response(packed(frames), media_type="application/octet-stream")

    def _read(self, content: bytes) -> tuple[dict[str, Any], Motion]:
        """The object, and its motion as checked as one of a job."""
        told = parse_json(content, "The body", InputError)
        if not isinstance(told, dict) or not isinstance(told.get("motion"), dict):
            raise InputError("The body is an object with photo and motion.")
        return told, _motion(told["motion"], self._limits)

    async def check(self, request: Request) -> dict[str, Any]:
        """What is doubtful about a motion: the findings of ``kinema motion check``."""
        content = await _body(request, self._limits.job_bytes)

        def findings() -> list[dict[str, str]]:
            _, motion = self._read(content)
            return [
                {"severity": each.severity, "where": each.where, "message": each.message}
                for each in check_motion(motion)
            ]

        return {"findings": await run_in_threadpool(findings)}

    async def imported(
        self, request: Request, name: str, width: int, height: int, format: str = ""
    ) -> dict[str, Any]:
        """A motion or camera file of any known form as a Motion; the body is the file."""
        content = await _body(request, MOST_IMPORT)
        self._check_canvas(width, height)
        suffix = Path(name).suffix.lower()[:16]
        if not suffix.lstrip(".").isalnum():
            raise InputError(f"The file {name[:80]!r} has no suffix that tells its form.")

        def read() -> dict[str, Any]:
            with tempfile.TemporaryDirectory(prefix="kinema-import-") as folder:
                path = Path(folder) / f"motion{suffix}"
                path.write_bytes(content)
                try:
                    motion = read_motion(path, format=format or None, canvas=(width, height))
                except MotionError as error:
                    raise InputError(str(error).replace(str(path), name)) from None
                return motion.embedded().to_dict()

        return await run_in_threadpool(read)

    async def observed(
        self, request: Request, name: str, fps: float, width: int = 0, height: int = 0
    ) -> dict[str, Any]:
        """Tracks seen in a video, for a canvas or, without one, for its first frame.

        The body is the video file. One is looked at at a time.
        """
        if not 0 < fps <= 240:
            raise InputError(f"A motion has up to 240 frames a second, not {fps:g}.")
        if width or height:
            self._check_canvas(width, height)
        content = await _body(request, MOST_VIDEO)

        def look() -> dict[str, Any]:
            if not self._looking.acquire(blocking=False):
                headers = {"retry-after": "5"}
                raise HTTPException(429, "Another video is being looked at.", headers)
            try:
                seen = observe(content, name[:80], fps, (width, height) if width else None)
            finally:
                self._looking.release()
            return {
                "canvas": seen.canvas,
                "tracks": {"points": seen.tracks.points, "visible": seen.tracks.visible},
                "seconds": seen.seconds,
                "frame": base64.b64encode(seen.frame).decode("ascii"),
                "tracker": seen.tracker,
            }

        return await run_in_threadpool(look)

    def _check_canvas(self, width: int, height: int) -> None:
        if not (0 < width <= self._limits.side * 4 and 0 < height <= self._limits.side * 4):
            raise InputError(f"A canvas of {width}x{height} is not possible.")


class _Annotated:
    def __init__(self, annotation: Annotation, limits: Limits) -> None:
        self._annotation, self._limits = annotation, limits

    def on(self, routes: APIRouter) -> None:
        routes.add_api_route("/annotation", self.photos, methods=["GET"])
        routes.add_api_route("/annotation/next", self.next, methods=["POST"])
        routes.add_api_route("/annotation/photos/{name}", self.photo, methods=["GET"])
        routes.add_api_route("/annotation/items", self.save, methods=["POST"], status_code=201)

    def photos(self) -> dict[str, Any]:
        """Every photo with the items made of it."""
        photos = self._annotation.photos()
        return {
            "photos": [{"name": photo.name, "items": photo.items} for photo in photos],
            "done": sum(bool(photo.items) for photo in photos),
        }

    def next(self, annotator: str, skip: str = "") -> dict[str, Any]:
        """The photo to do next, kept for this annotator for a while; null if none is left."""
        if not 0 < len(annotator) <= 64:
            raise InputError("An annotator is named by 1 to 64 characters.")
        return {"photo": self._annotation.next(annotator, skip)}

    def photo(self, name: _Name) -> FileResponse:
        """The photo itself."""
        return FileResponse(self._annotation.path(name))

    async def save(self, request: Request) -> dict[str, str]:
        """Write an item: a form with ``frame`` (PNG) and ``item`` (JSON: photo, group, motion)."""
        async with request.form(
            max_files=1, max_fields=1, max_part_size=self._limits.job_bytes
        ) as form:
            frame, item = form.get("frame"), form.get("item")
            if frame is None or isinstance(frame, str) or not isinstance(item, str):
                raise InputError("An item is a form with the file 'frame' and the text 'item'.")
            content = await frame.read()

        def write() -> dict[str, str]:
            check_photo(io.BytesIO(content), "frame", self._limits)
            told = parse_json(item, "The part 'item'", InputError)
            if not isinstance(told, dict) or not {"photo", "group", "motion"} <= told.keys():
                raise InputError("An item is an object with photo, group and motion.")
            motion = _motion(told["motion"], self._limits)
            photo, group = str(told["photo"]), str(told["group"])
            return {"item": self._annotation.save(photo, group, content, motion)}

        return await run_in_threadpool(write)
