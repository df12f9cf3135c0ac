"""What the page asks of the server."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from fastapi.routing import APIRoute
from PIL import Image
from starlette.routing import Route

from kinema.media.video import Video
from kinema.motion.drag import Drag
from kinema.motion.motion import Motion
from kinema.motion.region import Region
from kinema.motion.tracks import Tracks
from kinema.session.session import Session
from kinema_apps.service import api
from kinema_apps.service.settings import Settings
from kinema_apps.service.testing import Running
from kinema_apps.studio import WEB
from kinema_apps.studio import live as live_module
from kinema_apps.studio.annotation import Annotation
from kinema_apps.studio.live import LivePreview
from kinema_apps.studio.routes import router

pytestmark = pytest.mark.all_packages

Studio = Callable[..., Running]
MOTION = Motion(
    canvas=(192, 120),
    drags=[Drag([(85, 60), (115, 50)], region="thing")],
    regions=[Region(brush=[(85, 62)], radius=24, name="thing")],
)


def _frames(content: bytes) -> list[Any]:
    frames = []
    while content:
        (length,) = struct.unpack("<I", content[:4])
        frames.append(np.asarray(Image.open(io.BytesIO(content[4 : 4 + length]))))
        content = content[4 + length :]
    return frames


def test_a_preview_moves_what_the_motion_moves(studio: Studio, png: bytes) -> None:
    url = studio().url
    kept = httpx.post(f"{url}/v1/studio/photos", content=png).json()
    assert (kept["width"], kept["height"]) == (192, 120)
    body = {"photo": kept["photo"], "motion": MOTION.to_dict(), "options": {"attached": "never"}}
    answer = httpx.post(f"{url}/v1/studio/preview", json=body, timeout=60)
    assert answer.status_code == 200
    frames = _frames(answer.content)
    assert len(frames) == MOTION.frames
    reds = [np.argwhere(frame[..., 0] > 170).mean(axis=0)[1] for frame in frames]
    assert reds[-1] - reds[0] == pytest.approx(30, abs=3)


def test_a_photo_that_is_gone_is_asked_for_again(studio: Studio) -> None:
    body = {"photo": "0" * 64, "motion": MOTION.to_dict()}
    answer = httpx.post(f"{studio().url}/v1/studio/preview", json=body)
    assert answer.status_code == 404
    assert "send it again" in answer.json()["detail"]


def test_only_the_latest_photos_are_kept(png: bytes) -> None:
    live = LivePreview()
    for number in range(10):
        live.keep(str(number), png)
    assert [number for number in range(10) if live.has(str(number))] == list(range(2, 10))


def test_a_preview_that_was_overtaken_is_not_rendered(
    png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LivePreview()
    live.keep("photo", png)

    def overtaken(*_: Any) -> Any:
        live._latest["client"] += 1
        raise AssertionError("rendered")

    monkeypatch.setattr(live, "_session", overtaken)
    with live._turn:
        from threading import Thread

        found: list[Any] = []
        first = Thread(target=lambda: found.append(live.frames("client", "photo", MOTION, {})))
        first.start()
        while not live._latest:
            pass
        live._latest["client"] += 1
    first.join()
    assert found == [[]]


def test_a_rough_preview_is_small_and_as_long(png: bytes) -> None:
    live = LivePreview()
    live.keep("photo", _large())
    motion = Motion(canvas=(768, 480), drags=[Drag([(300, 200), (340, 200)])])
    shapes = []
    for rough in (True, False):
        made = live.frames("page", "photo", motion, {}, rough=rough)
        shapes.append((len(made), Image.open(io.BytesIO(made[-1])).size))
    assert shapes == [(16, (256, 160)), (16, (512, 320))]


def test_a_preview_ends_at_the_frame_after_it_was_overtaken(
    png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kinema_backbones.preview.backbone import Preview

    live = LivePreview()
    live.keep("photo", png)
    seen = []
    rendered = Preview.rendered

    def watched(self: Preview, embedding: Any) -> Any:
        for frame in rendered(self, embedding):
            seen.append(torch.get_num_threads())
            if len(seen) == 3:
                live._latest["page"] += 1
            yield frame

    monkeypatch.setattr(Preview, "rendered", watched)
    before = torch.get_num_threads()
    assert live.frames("page", "photo", MOTION, {}) == []
    # Nothing is shared between threads meanwhile, and all is as it was afterwards.
    assert seen == [1, 1, 1]
    assert torch.get_num_threads() == before


def test_what_a_first_preview_needs_is_loaded_once_and_serves_it(
    png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def opened(*given: Any, **more: Any) -> Any:
        made.append(given)
        return Session(*given, **more)

    monkeypatch.setattr(live_module, "Session", opened)
    live = LivePreview()
    live.warm()
    live.warm()
    live.keep("photo", png)
    assert live.frames("page", "photo", MOTION, {})
    assert made == [("preview",)]


def test_pages_that_went_away_are_forgotten(png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_CLIENTS", 3)
    live = LivePreview()
    live.keep("photo", png)
    monkeypatch.setattr(live, "_session", lambda _: 1 / 0)
    for number in range(6):
        with pytest.raises(ZeroDivisionError):
            live.frames(f"page {number}", "photo", MOTION, {})
    assert list(live._latest) == ["page 3", "page 4", "page 5"]


def _large() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (768, 480), (90, 120, 80)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("photos", b"no photo", "no whole JPEG"),
        ("photos", b"", "empty"),
        ("preview", b"[]", "an object with photo and motion"),
        ("preview", b'{"photo": 1}', "an object with photo and motion"),
        ("preview", b'{"photo": "0", "motion": {"format": "x"}}', "format"),
        ("preview", b"{", "JSON"),
        ("preview", b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested"),
        ("check", b'{"motion": 3}', "an object with photo and motion"),
        ("import?name=a&width=10&height=10", b"{}", "no suffix"),
        ("import?name=a.json&width=0&height=10", b"{}", "not possible"),
        ("import?name=a.json&width=10&height=10", b"{", "JSON"),
        ("observe?name=a.mp4&fps=8", b"no video", "cannot be read"),
        ("observe?name=a.mp4&fps=8", b"", "cannot be read"),
        ("observe?name=a.mp4&fps=0", b"", "frames a second"),
        ("observe?name=a.mp4&fps=8&width=-4&height=9", b"", "not possible"),
        ("import?name=..%2F..%2Fa.npy&width=10&height=10", b"x", "npy"),
    ],
)
def test_bad_bodies_are_refused_in_words(studio: Studio, path: str, body: bytes, says: str) -> None:
    answer = httpx.post(f"{studio().url}/v1/studio/{path}", content=body)
    assert answer.status_code == 422, answer.text
    assert says.lower() in answer.json()["detail"].lower()
    assert "/tmp" not in answer.text


def test_options_are_plain_values(studio: Studio, png: bytes) -> None:
    url = studio().url
    photo = httpx.post(f"{url}/v1/studio/photos", content=png).json()["photo"]
    for options, says in (({"attached": {}}, "plain"), ({"nothing": 1}, "nothing"), ([], "object")):
        body = {"photo": photo, "motion": MOTION.to_dict(), "options": options}
        answer = httpx.post(f"{url}/v1/studio/preview", json=body)
        assert answer.status_code == 422
        assert says in answer.json()["detail"]


def test_a_file_of_another_form_is_imported(studio: Studio) -> None:
    spline = [{"x": 20 + 5 * frame, "y": 30} for frame in range(9)]
    answer = httpx.post(
        f"{studio().url}/v1/studio/import?name=spline.json&width=192&height=120",
        content=json.dumps([spline]),
    )
    assert answer.status_code == 200, answer.text
    read = Motion.from_dict(answer.json())
    assert read.canvas == (192, 120)
    last = read.tracks.points[-1][0] if read.tracks else read.drags[0].points[-1]
    assert last == (60, 30)


def test_a_video_gives_tracks_of_a_photo(studio: Studio, clip: Path) -> None:
    url = studio().url
    # For a photo of twice the size: the tracks are in its pixels.
    query = "name=clip.mp4&fps=8&width=384&height=240"
    answer = httpx.post(f"{url}/v1/studio/observe?{query}", content=clip.read_bytes(), timeout=120)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["canvas"] == [384, 240]
    assert told["seconds"] == pytest.approx(9 / 8, abs=0.02)
    tracks = Tracks(points=told["tracks"]["points"], visible=told["tracks"]["visible"])
    points, visible = tracks.arrays()
    assert len(points) == 9
    x, y = points[0].T
    assert visible[0].all()
    assert 0 <= x.min() <= x.max() <= 383
    inside = (x > 140) & (x < 200) & (y > 100) & (y < 150)
    outside = (x < 80) | (x > 320)
    moved = points[-1] - points[0]
    assert inside.sum() >= 6
    assert np.median(moved[inside], axis=0) == pytest.approx((32, 0), abs=3)
    assert np.abs(np.median(moved[outside], axis=0)).max() < 1
    # Without a photo its first frame is one.
    alone = httpx.post(
        f"{url}/v1/studio/observe?name=clip.mp4&fps=4", content=clip.read_bytes(), timeout=120
    ).json()
    frame = Image.open(io.BytesIO(base64.b64decode(alone["frame"])))
    assert list(frame.size) == alone["canvas"] == [192, 120]


def test_a_video_that_is_too_long_is_refused(studio: Studio, tmp_path: Path) -> None:
    still = np.zeros((22, 16, 16, 3), np.uint8)
    Video(frames=still, fps=1.0).save(tmp_path / "long.mp4")
    answer = httpx.post(
        f"{studio().url}/v1/studio/observe?name=long.mp4&fps=8",
        content=(tmp_path / "long.mp4").read_bytes(),
        timeout=60,
    )
    assert answer.status_code == 422
    assert "at most 20 are looked at" in answer.json()["detail"]


def test_findings_are_told(studio: Studio) -> None:
    motion = Motion(canvas=(192, 120), drags=[Drag([(85, 60), (400, 50)])])
    answer = httpx.post(f"{studio().url}/v1/studio/check", json={"motion": motion.to_dict()})
    assert any("leaves" in each["message"] for each in answer.json()["findings"])


def test_the_page_loads_nothing_from_elsewhere_and_says_so(studio: Studio) -> None:
    url = studio().url
    answer = httpx.get(f"{url}/", follow_redirects=True)
    assert answer.url.path == "/studio/"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for path in WEB.rglob("*"):
        if path.suffix in (".js", ".css", ".html", ".svg"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
            assert "http://" not in text, path
            assert "https://" not in text, path
    assert httpx.get(f"{url}/studio/..%2f__init__.py").status_code == 404


def test_the_page_is_small() -> None:
    files = [path for path in WEB.rglob("*") if path.suffix in (".js", ".css", ".html", ".svg")]
    assert sum(path.stat().st_size for path in files) < 500_000


def test_behind_a_token_the_page_is_open_and_the_rest_is_not(studio: Studio) -> None:
    url = studio(tokens={"ann": "a-secret-of-length"}).url
    assert httpx.get(f"{url}/studio/").status_code == 200
    assert httpx.get(f"{url}/studio/page/studio.js").status_code == 200
    for path in ("/studio/../v1/jobs", "/studio/..%2fv1/jobs", "/studio/%2e%2e/v1/jobs"):
        assert httpx.get(f"{url}{path}").status_code in (401, 404)


def test_no_other_route_answers_without_the_token(studio: Studio, tmp_path: Path) -> None:
    up = studio(tokens={"ann": "a-secret-of-length"})
    routers = (api.health, api.offers, api.jobs, router(Settings(folder=tmp_path), None))
    routes = [route for each in (*routers, up.app) for route in each.routes]
    asked = [
        (method, re.sub(r"\{.*?\}", "x", route.path))
        for route in routes
        if isinstance(route, Route | APIRoute)
        for method in route.methods or ()
    ]
    assert ("GET", "/v1/offers") in asked
    assert ("POST", "/v1/studio/observe") in asked
    answers = {
        (method, path): httpx.request(method, f"{up.url}{path}").status_code
        for method, path in asked
    }
    opened = {path for (_, path), status in answers.items() if status != 401}
    # The first leads to the page.
    assert opened - {"/"} == {"/healthz", "/readyz", "/studio"}


def test_pages_of_other_sites_may_not_ask(studio: Studio, png: bytes) -> None:
    answer = httpx.post(
        f"{studio().url}/v1/studio/photos", content=png, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_annotation_over_http(studio: Studio, folder: Path, tmp_path: Path, png: bytes) -> None:
    url = studio(annotation=Annotation(folder, tmp_path / "items")).url
    assert httpx.get(f"{url}/v1/studio").json()["annotation"] is True
    given = httpx.post(f"{url}/v1/studio/annotation/next?annotator=ann").json()["photo"]
    assert given == "a.png"
    assert httpx.get(f"{url}/v1/studio/annotation/photos/a.png").status_code == 200
    assert httpx.get(f"{url}/v1/studio/annotation/photos/notes.txt").status_code == 422
    item = {"photo": "a.png", "group": "object_control", "motion": MOTION.to_dict()}
    saved = httpx.post(
        f"{url}/v1/studio/annotation/items",
        data={"item": json.dumps(item)},
        files={"frame": ("frame.png", png)},
    )
    assert saved.status_code == 201, saved.text
    assert (tmp_path / "items" / saved.json()["item"] / "meta_data.json").is_file()
    assert httpx.get(f"{url}/v1/studio/annotation").json()["done"] == 1
    for told in ("[]", "{", json.dumps({"photo": "a.png"})):
        refused = httpx.post(
            f"{url}/v1/studio/annotation/items",
            data={"item": told},
            files={"frame": ("frame.png", png)},
        )
        assert refused.status_code == 422, refused.text
