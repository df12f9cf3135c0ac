"""What strangers send: refused by name, whatever it is."""

from __future__ import annotations

import base64
import io
import json
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import kinema
from kinema_apps.service.guards import Access
from kinema_apps.service.settings import Limits, Settings
from kinema_apps.service.testing import Running

Serve = Callable[..., Running]

TOKENS = {"ann": "a-secret-of-sixteen", "ben": "another-of-sixteen"}


def send(up: Running, photo: bytes, job: Any, **more: Any) -> httpx.Response:
    text = job if isinstance(job, bytes) else json.dumps(job).encode()
    files = {"photo": ("p", photo), "job": ("j", text)}
    return up.client._http.post("/v1/jobs", files=files, **more)


def refused(answer: httpx.Response, status: int, text: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert text in answer.json()["detail"], answer.json()


@pytest.fixture
def document(motion: kinema.Motion) -> dict[str, Any]:
    return motion.to_dict()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


# -- photos ---------------------------------------------------------------------------------------


def test_photos_that_are_no_photos(
    served: Running, picture: Callable[..., bytes], document: dict[str, Any]
) -> None:
    whole = picture()
    vector = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    for content in (vector, whole[:-40], picture(form="GIF"), picture(form="TIFF"), b"%PDF-1.7"):
        answer = send(served, content, {"motion": document})
        refused(answer, 422, "The photo is no whole JPEG, PNG or WebP")
    refused(send(served, b"", {"motion": document}), 422, "The photo is empty.")
    jpeg = picture(form="JPEG")
    refused(send(served, jpeg[: len(jpeg) // 2], {"motion": document}), 422, "no whole JPEG")
    assert served.service.store.ids() == set()


def test_a_decompression_bomb_is_read_no_farther_than_its_head(
    served: Running, document: dict[str, Any]
) -> None:
    for width, height in ((50_000, 50_000), (10_000, 6_000)):
        answer = send(served, bomb(width, height), {"motion": document})
        refused(answer, 422, "50000000 pixels")


def test_a_mask_is_a_png_of_the_canvas(served: Running, photo: bytes) -> None:
    def region(content: bytes) -> dict[str, Any]:
        text = base64.b64encode(content).decode()
        return {
            "motion": {
                "format": "kinema.motion/1",
                "canvas": [32, 16],
                "regions": [{"png": text}],
                "drags": [{"points": [[1, 1], [2, 2]]}],
            }
        }

    assert send(served, photo, region(photo)).status_code == 201
    refused(send(served, photo, region(bomb(20_000, 20_000))), 422, "regions[0]")
    refused(send(served, photo, region(bomb(2_000, 2_000))), 422, "is 2000x2000 but the canvas is")
    refused(send(served, photo, region(photo[:40])), 422, "regions[0] is no readable PNG")
    buffer = io.BytesIO()
    Image.new("L", (32, 16)).save(buffer, "TIFF")
    refused(send(served, photo, region(buffer.getvalue())), 422, "regions[0] is no readable PNG")


# -- documents ------------------------------------------------------------------------------------


def test_json_that_is_too_deep_too_large_or_none(
    serve: Serve, photo: bytes, document: dict[str, Any]
) -> None:
    up = serve(limits=Limits(job_bytes=20_000, points=500))
    refused(send(up, photo, b"[" * 10_000), 422, "nested too deeply")
    refused(send(up, photo, b"[" * 50 + b"]" * 50), 422, "nested more than 16 deep")
    refused(send(up, photo, b'{"motion": NaN}'), 422, "is not JSON")
    refused(send(up, photo, b"\xff\xfe"), 422, "is not JSON")
    refused(send(up, photo, b" " * 30_000), 422, "more than 20000 bytes")
    refused(send(up, photo, b"[]"), 422, "At the job:")
    many = {"points": [[1, 1]] * 600}
    refused(send(up, photo, {"motion": {**document, "drags": [many]}}), 422, "1204 numbers")
    number = b'{"motion": {"format": "kinema.motion/1", "canvas": [1' + b"0" * 5000 + b", 2]}}"
    assert send(up, photo, number).status_code == 422


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"regions": [{"mask": "/etc/passwd"}]}, "Files of the server are out of reach"),
        ({"canvas": [10_000, 10_000]}, "more than 50000000 pixels"),
        ({"regions": [{"brush": [[1, 1]], "radius": 2}] * 65}, "65 regions on a canvas"),
        ({"duration": 1e9}, "frames are asked for; 256 are the most"),
        ({"canvas": [True, 16]}, "At canvas[0]"),
        ({"drags": [{"points": [[99, 99]]}]}, "outside the canvas of 32x16"),
        ({"nonsense": 1}, "unknown key 'nonsense'"),
    ],
)
def test_motions_that_are_refused(
    served: Running, photo: bytes, document: dict[str, Any], change: Mapping[str, Any], text: str
) -> None:
    refused(send(served, photo, {"motion": {**document, **change}}), 422, text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"backbone": "toi"}, "Unknown backbone 'toi'. Did you mean 'toy'?"),
        ({"backbone": "../../etc"}, "Unknown backbone"),
        ({"options": {"device": "cuda:7"}}, "no option 'device' that a job may set"),
        ({"options": {"weights": "/etc/passwd"}}, "no option 'weights' that a job may set"),
        ({"options": {"seed": "x"}}, "The config of the backbone 'toy' cannot be used"),
        ({"sample": {"steps": 1000}}, "At most 200 steps"),
        ({"sample": {"solver": "/etc/passwd"}}, "Unknown solver"),
        ({"sample": {"steps": 0}}, "steps must be at least 1"),
        ({"size": [100_000, 16]}, "4096 are the most of a side"),
        ({"size": [4096, 4096], "frames": 200}, "Ask for a smaller size or fewer frames"),
        ({"frames": 1}, "At frames: Input should be greater than or equal to 2"),
        ({"fps": -1}, "At fps:"),
        ({"fps": 1000}, "frames are asked for; 256 are the most"),
        ({"seed": 2**70}, "At seed:"),
        ({"prompt": "x" * 5000}, "At prompt:"),
        ({"forms": ["exe"]}, "At forms.0:"),
        ({"forms": []}, "At forms:"),
        ({"folder": "/tmp"}, "At folder: Extra inputs are not permitted"),
    ],
)
def test_options_that_are_refused(
    served: Running, photo: bytes, document: dict[str, Any], options: dict[str, Any], text: str
) -> None:
    refused(send(served, photo, {"motion": document, **options}), 422, text)


def test_names_of_files_lead_nowhere_and_are_never_shown(
    served: Running, photo: bytes, document: dict[str, Any], tmp_path: Path
) -> None:
    text = json.dumps({"motion": document}).encode()
    for name in (
        "../../../evil.png",
        "/etc/cron.d/evil",
        "<img src=x onerror=alert(1)>.png",
        "a\0b",
    ):
        files = {"photo": (name, photo), "job": ("j", text)}
        answer = served.client._http.post("/v1/jobs", files=files)
        assert answer.status_code == 201
        job = answer.json()["id"]
        kept = served.service.settings.folder / "jobs" / job
        assert (kept / "photo.png").read_bytes() == photo
        told = served.client._http.get(f"/v1/jobs/{job}/photo")
        assert told.headers["content-type"] == "image/png"
        assert "evil" not in str(told.headers)
    assert not list(tmp_path.rglob("*evil*"))


def test_ids_and_names_in_paths(served: Running) -> None:
    http = served.client._http
    for path in ("..%2f..%2fetc%2fpasswd", "0" * 31, "0" * 32 + "%00", "%3Cscript%3E"):
        assert http.get(f"/v1/jobs/{path}").status_code in (404, 422)
    job = "0" * 32
    assert http.get(f"/v1/jobs/{job}").status_code == 404
    for name in ("..%2fphoto.png", "manifest.json", "step-0001.webp%00.png"):
        assert http.get(f"/v1/jobs/{job}/pictures/{name}").status_code in (404, 422)


def test_html_in_what_is_sent_comes_back_as_json_alone(served: Running, photo: bytes) -> None:
    evil = "<script>alert(1)</script>"
    answer = send(served, photo, {"motion": {evil: evil}, evil: evil})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_bodies_of_other_kinds(served: Running, photo: bytes, document: dict[str, Any]) -> None:
    http = served.client._http
    refused(http.post("/v1/jobs", json={"motion": document}), 415, "multipart/form-data")
    refused(http.post("/v1/jobs", data={"job": "{}"}), 415, "multipart/form-data")
    kind = {"content-type": "multipart/form-data"}
    assert http.post("/v1/jobs", content=b"x", headers=kind).status_code == 400
    kind = {"content-type": "multipart/form-data; boundary=b"}
    assert http.post("/v1/jobs", content=b"--b\r\nnonsense", headers=kind).status_code in (400, 422)
    files = [("photo", ("p", photo))] * 20 + [("job", ("j", b"{}"))]
    assert http.post("/v1/jobs", files=files).status_code in (400, 422)
    twice = [("photo", ("p", photo))] * 2 + [("job", ("j", json.dumps({"motion": document})))]
    refused(http.post("/v1/jobs", files=twice), 422, "too many parts 'photo'")
    extra = {"photo": ("p", photo), "job": ("j", b"{}"), "../x": ("x", b"")}
    refused(http.post("/v1/jobs", files=extra), 422, "Unknown part '../x'")


def test_a_body_is_read_no_farther_than_its_limit(serve: Serve) -> None:
    up = serve(limits=Limits(photo_bytes=1000, photos=1, job_bytes=1000))
    most = up.service.settings.limits.body_bytes
    refused(
        up.client._http.post("/v1/jobs", content=b"x" * (most + 1)), 413, f"at most {most} bytes"
    )

    def chunks() -> Any:  # without a Content-Length
        yield b"--b\r\ncontent-disposition: form-data; name=photo; filename=p\r\n\r\n"
        for _ in range(most // 10_000 + 2):
            yield b"x" * 10_000

    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = up.client._http.post("/v1/jobs", content=chunks(), headers=kind)
    refused(answer, 413, "at most")


# -- who calls ------------------------------------------------------------------------------------


def test_pages_of_other_sites_change_nothing(
    served: Running, photo: bytes, document: dict[str, Any]
) -> None:
    own = {"origin": served.url, "sec-fetch-site": "same-origin"}
    assert send(served, photo, {"motion": document}, headers=own).status_code == 201
    for foreign in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ):
        answer = send(served, photo, {"motion": document}, headers=foreign)
        refused(answer, 403, "A page of another site may not do that")
    # A name that an attacker's DNS leads to the loopback.
    rebound = served.client._http.get("/v1/offers", headers={"host": "evil.example:80"})
    refused(rebound, 403, "The service is not called 'evil.example'")


def test_an_origin_may_be_let_in(serve: Serve, photo: bytes, document: dict[str, Any]) -> None:
    up = serve(origins=("https://app.example",))
    headers = {"origin": "https://app.example"}
    answer = send(up, photo, {"motion": document}, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    refused(send(up, photo, {}, headers={"origin": "https://b.example"}), 403, "allow its origin")


def test_a_token_is_needed_and_its_jobs_are_its_own(
    serve: Serve, photo: bytes, motion: kinema.Motion
) -> None:
    up = serve(tokens=TOKENS)
    ann, ben = up.user("", TOKENS["ann"]), up.user("", TOKENS["ben"])
    job = ann.create(photo, motion)
    ann.wait(job.id)
    for path in ("", "/events", "/video.mp4", "/manifest", "/photo", "/request"):
        assert ben._http.get(f"/v1/jobs/{job.id}{path}").status_code == 404
    assert ben._http.delete(f"/v1/jobs/{job.id}").status_code == 404
    assert ben.jobs() == []
    stranger = httpx.Client(base_url=up.url)
    with stranger:
        assert stranger.get("/healthz").status_code == 200
        for path in ("/v1/jobs", "/v1/offers", "/metrics", "/openapi.json"):
            answer = stranger.get(path)
            refused(answer, 401, "A token is needed")
            assert answer.headers["www-authenticate"] == "Bearer"
        for value in ("Bearer wrong", f"Basic {TOKENS['ann']}", "Bearer", "Bearer \xe9"):
            headers = {b"authorization": value.encode("latin-1")}
            assert stranger.get("/v1/jobs", headers=headers).status_code == 401


def test_below_a_root_path_the_same_paths_are_open(serve: Serve) -> None:
    http = serve(tokens=TOKENS, root_path="/kinema").client._http
    strange = {"authorization": ""}
    assert http.get("/healthz", headers=strange).status_code == 200
    assert http.get("/v1/offers").status_code == 200
    refused(http.get("/v1/offers", headers=strange), 401, "A token is needed")
    # The root alone may be open, and nothing below it is then.
    guard = Access(None, Settings(folder="x", tokens=TOKENS), ("/", "/page/"))  # type: ignore[arg-type]
    open_paths = [path for path in ("/", "/v1", "/page", "/page/x") if guard._is_open(path)]
    assert open_paths == ["/", "/page/x"]


def test_an_address_beyond_the_loopback_needs_a_token(tmp_path: Path) -> None:
    from kinema_apps.service import Settings

    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(kinema.InputError, match="so a token is required"):
            Settings(folder=tmp_path, host=host)
        Settings(folder=tmp_path, host=host, tokens=TOKENS)
    with pytest.raises(kinema.InputError, match="has 5 characters; it needs at least 16"):
        Settings(folder=tmp_path, tokens={"ann": "short"})


def test_the_address_of_files_on_the_server_is_not_told(
    served: Running, photo: bytes, motion: kinema.Motion
) -> None:
    job = served.client.create(photo, motion)
    served.client.wait(job.id)
    told = served.client.manifest(job.id)
    assert told == {"files": {"unet.bin": "00"}}


# -- how slowly -----------------------------------------------------------------------------------


def connect(up: Running) -> socket.socket:
    host, _, port = up.url.rpartition("/")[2].partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def test_a_client_that_sends_nothing_is_left(serve: Serve) -> None:
    up = serve(limits=Limits(idle_seconds=0.3))
    with connect(up) as silent:
        silent.sendall(b"GET /healthz HT")
        assert silent.recv(100) == b""


def test_a_later_request_that_stops_in_its_head_is_left(serve: Serve) -> None:
    up = serve(limits=Limits(idle_seconds=0.3))
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(up) as slow:
        slow.sendall(whole + whole[:12])
        said = b"".join(iter(lambda: slow.recv(10_000), b""))
    assert said.count(b"HTTP/1.1 200 ") == 1
    with connect(up) as slow:
        for part in (whole[:12], whole[12:], whole[:12]):
            slow.sendall(part)
        said = b"".join(iter(lambda: slow.recv(10_000), b""))
    assert said.count(b"HTTP/1.1 200 ") == 1


def test_a_request_that_hides_another_is_refused(served: Running) -> None:
    with connect(served) as sly:
        sly.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        said = b"".join(iter(lambda: sly.recv(10_000), b""))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"has a length or is chunked, not both" in said
    assert said.count(b"HTTP/1.1") == 1


def test_a_body_that_stops_is_left(serve: Serve) -> None:
    up = serve(limits=Limits(idle_seconds=0.3))
    with connect(up) as slow:
        slow.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        )
        answer = b"".join(iter(lambda: slow.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The request came too slowly." in answer


def test_a_head_that_is_too_long_is_refused(served: Running) -> None:
    with connect(served) as long:
        long.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)
        assert long.recv(10_000).startswith(b"HTTP/1.1 400 ")
