"""``kinema studio`` as it is installed: its page is whole, small, and asks for nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from kinema.motion.motion import Motion
from kinema_apps.motion_options import SAMPLE
from kinema_apps.studio import EDITOR, WEB

pytestmark = [
    pytest.mark.all_packages,
    pytest.mark.skipif(sys.platform == "win32", reason="signals end the server"),
]

#: What a page loads: scripts, styles and pictures of HTML, and modules of modules.
NAMED = re.compile(r"""(?:\b(?:src|href)=|\bfrom |\bimport |\bimport\()["']([^"'#]+)["']""")

#: Bytes of the page with everything that it loads.
MOST = 500_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a studio that was started as people do."""
    pytest.importorskip("fastapi", reason="needs the extra kinema-apps[studio]")
    # Isolated, so that what is installed is seen and not what lies in the current folder.
    command = [sys.executable, "-I", "-m", "kinema_apps.cli", "studio"]
    command += ["--port", "0", "--no-browser", "--folder", str(tmp_path_factory.mktemp("jobs"))]
    studio = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert studio.stderr is not None
    try:
        found = re.search(r"http://[^/\s]+", studio.stderr.readline())
        assert found
        yield found[0]
    finally:
        studio.terminate()
        studio.communicate(timeout=60)


def loaded(http: httpx.Client, start: str) -> dict[str, httpx.Response]:
    """A page and all that it loads, by address."""
    found: dict[str, httpx.Response] = {}
    ahead = [start]
    while ahead:
        url = ahead.pop()
        if url not in found:
            found[url] = http.get(url)
            ahead += [urljoin(url, name) for name in NAMED.findall(found[url].text)]
    return found


def test_the_page_is_whole_and_small(address: str) -> None:
    with httpx.Client(timeout=60) as http:
        answer = http.get(address, follow_redirects=True)
        assert str(answer.url) == f"{address}/studio/"
        found = loaded(http, f"{address}/studio/")
    assert [url for url in found if not url.startswith(f"{address}/studio/")] == []
    assert {url: each.status_code for url, each in found.items() if each.status_code != 200} == {}
    scripts = {url.removeprefix(f"{address}/studio/") for url in found if url.endswith(".js")}
    assert scripts == {path.relative_to(WEB).as_posix() for path in WEB.rglob("*.js")}
    for url, each in found.items():
        assert each.headers["x-content-type-options"] == "nosniff"
        if url.endswith(".js"):
            assert each.headers["content-type"].startswith("text/javascript")
    assert sum(len(each.content) for each in found.values()) < MOST


def test_the_element_is_a_package_that_needs_nothing_beside_it() -> None:
    for path in EDITOR.rglob("*.js"):
        for name in NAMED.findall(path.read_text(encoding="utf-8")):
            assert name.startswith("."), (path, name)
            assert (path.parent / name).resolve().is_relative_to(EDITOR.resolve()), (path, name)
    assert {"package.json", "README.md"} <= {path.name for path in EDITOR.iterdir()}


def test_it_shows_what_a_motion_does(address: str) -> None:
    photo = (Path(SAMPLE) / "photo.jpg").read_bytes()
    motion = Motion.load(Path(SAMPLE) / "motion.json").embedded().to_dict()
    with httpx.Client(base_url=address, timeout=120) as http:
        kept = http.post("/v1/studio/photos", content=photo)
        assert kept.status_code == 201, kept.text
        asked = {"photo": kept.json()["photo"], "motion": motion, "options": {}}
        shown = http.post("/v1/studio/preview", json=asked)
    assert shown.status_code == 200, shown.text
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.content[4:6] == b"\xff\xd8"  # the first of the frames is a JPEG file
