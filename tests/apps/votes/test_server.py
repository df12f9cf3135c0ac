"""The page's server: what it serves, takes and refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="kinema-apps[votes] is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs it")

from starlette.testclient import TestClient

from kinema.errors import InputError
from kinema_apps.votes.gate import COOKIE, MOST_BODY
from kinema_apps.votes.server import address, build_app, listen, token_for
from kinema_apps.votes.store import VoteStore
from kinema_apps.votes.study import Study

HERE = "http://127.0.0.1:8765"

Client = Callable[..., TestClient]


@pytest.fixture
def store(study: Study, folder: Path) -> VoteStore:
    return VoteStore(folder, study, per_rater=4)


@pytest.fixture
def client(store: VoteStore, folder: Path) -> TestClient:
    return TestClient(build_app(store, folder), base_url=HERE, follow_redirects=False)


@pytest.fixture
def guarded(store: VoteStore, folder: Path) -> TestClient:
    return TestClient(
        build_app(store, folder, "sesame"), base_url="http://studio:1", follow_redirects=False
    )


def test_the_page_and_all_it_needs_come_with_strict_headers(client: TestClient) -> None:
    for path, kind in (("/", "text/html"), ("/votes.css", "text/css"), ("/votes.js", "text/javas")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_names_no_other_host_and_no_inline_code(client: TestClient) -> None:
    text = client.get("/").text
    for path in ("/", "/votes.css", "/votes.js"):
        assert "://" not in client.get(path).text
    assert "<style" not in text
    assert " style=" not in text
    assert not re.search(r"\son\w+=", text)


def test_a_rater_votes_on_all_and_learns_no_model(client: TestClient, store: VoteStore) -> None:
    start = client.post("/api/raters", json={})
    begun = start.json()
    assert len(begun["trials"]) == 4 + 2
    assert not any(word in start.text for word in ("ours", "theirs", "old", "boats", "intact"))
    for number, trial in enumerate(begun["trials"]):
        for side in ("a", "b"):
            seen = client.get(trial[side], headers={"range": "bytes=0-99"})
            assert (seen.status_code, len(seen.content)) == (206, 100)
            assert seen.headers["content-type"] == "video/mp4"
        answers = dict.fromkeys(trial["questions"], "a")
        vote = {"rater": begun["rater"], "trial": number, "answers": answers, "seconds": 3.21}
        assert client.post("/api/votes", json=vote).json() == {"new": True}
        assert client.post("/api/votes", json=vote).json() == {"new": False}
    again = client.post("/api/raters", json={"rater": begun["rater"]}).json()
    assert again["done"] == list(range(6))
    assert again["trials"] == begun["trials"]
    assert len(store.votes) == 6


def test_nothing_but_the_study_is_served(client: TestClient, folder: Path) -> None:
    (folder / "media" / "other.mp4").write_bytes(b"secret")
    paths = ("/media/other.mp4", "/media/..%2fstudy.json", "/study.json", "/votes.jsonl",
             "/media/../study.json", "/media/%2e%2e/study.json", "/page/index.html")  # fmt: skip
    for path in paths:
        assert client.get(path).status_code == 404, path


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "no JSON object"),
        (b"{", "not JSON"),
        (b'{"rater": "ann"}', "A vote has a rater"),
        (b'{"rater": "ann", "trial": true, "answers": {}}', "A vote has a rater"),
        (b'{"rater": "ann", "trial": 0, "answers": {}}', "Nobody of that name"),
        (b"[" * 9000, "nested too deeply"),
    ],
)
def test_what_is_no_vote_is_refused_with_a_reason(
    client: TestClient, body: bytes, said: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/api/votes", content=body, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_foreign_pages_cannot_vote(client: TestClient) -> None:
    def post(**headers: str) -> int:
        usual = {"content-type": "application/json"} | headers
        return client.post("/api/raters", content=b"{}", headers=usual).status_code

    assert post() == 200
    assert post(origin=HERE) == 200
    assert post(origin="http://evil.example") == 403
    assert post(origin="null") == 403
    assert client.post("/api/raters", content=b"{}").status_code == 415
    assert post(**{"content-type": "text/plain"}) == 415
    # A foreign name that resolves to this machine.
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:8765"}).status_code == 200
    assert client.get("/", headers={"host": "[::1]:8765"}).status_code == 200


def test_large_and_odd_requests_are_refused(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    large = client.post("/api/votes", content=b" " * (MOST_BODY + 1), headers=headers)
    assert large.status_code == 413
    unsaid = client.post("/api/votes", content=iter([b"{}"]), headers=headers)
    assert unsaid.status_code == 411
    assert client.put("/api/votes", json={}).status_code == 405


def test_a_full_disk_is_said_and_the_vote_is_not_confirmed(
    client: TestClient, store: VoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: Any) -> None:
        raise OSError(28, "No space left on device")

    begun = client.post("/api/raters", json={"rater": "ann"}).json()
    monkeypatch.setattr(store, "_write", full)
    answers = dict.fromkeys(begun["trials"][0]["questions"], "a")
    vote = {"rater": "ann", "trial": 0, "answers": answers}
    answer = client.post("/api/votes", json=vote)
    assert answer.status_code == 507
    assert answer.json()["error"] == "The vote could not be kept: No space left on device."
    assert not store.votes


def test_beyond_this_machine_a_token_is_needed(guarded: TestClient) -> None:
    for path in ("/", "/votes.js", "/media/x.mp4"):
        assert guarded.get(path).status_code == 401
        assert guarded.get(f"{path}?token=wrong").status_code == 401
    assert guarded.post("/api/raters?token=sesame", json={}).status_code == 401
    opened = guarded.get("/?token=sesame")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert guarded.get("/").status_code == 200
    assert guarded.post("/api/raters", json={}).status_code == 200
    guarded.cookies.clear()
    assert guarded.get("/", headers={"cookie": f"{COOKIE}=wrong"}).status_code == 401


def test_tokens_and_addresses() -> None:
    assert token_for("127.0.0.1") == token_for("localhost") == ""
    assert len(token_for("0.0.0.0")) >= 32
    assert address("127.0.0.1", 8765, "") == "http://127.0.0.1:8765/"
    assert address("::1", 8765, "t") == "http://[::1]:8765/?token=t"


def test_a_port_in_use_is_said() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="Choose another --port or --host"):
            listen("127.0.0.1", port)
