"""The two pages in a real browser: what is seen, what keys do, and that nothing else is asked for.

Uses the Chromium of the machine; nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kinema.evaluation import MetricRecord, ModelRecord, PublishedTable, Results, ScoreRow
from kinema.evaluation.results import summarise
from kinema.media.video import Video
from kinema.motion.motion import Motion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals end the server"),
    # Playwright's own event loop is closed by the interpreter.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}


def opened(browser: Browser, form: dict[str, Any]) -> tuple[Page, list[str]]:
    """A page, and what it complained of or asked another host for."""
    page = browser.new_context(**form).new_page()
    page.set_default_timeout(120_000)  # other tests may run beside
    faults: list[str] = []
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if _ours(request.url) else faults.append(request.url))
    return page, faults


def _ours(url: str) -> bool:
    return url.startswith(("file:", "blob:", "http://127.0.0.1:"))


def until(page: Page, true: str) -> None:
    """Waits; the pages' policy forbids what Playwright would do for it."""
    for _ in range(2400):  # two minutes: other tests may run beside
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not come to be that {true}")


def clip(step: int) -> Video:
    photo = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    large = photo.repeat(8, 0).repeat(8, 1)
    return Video(np.stack([np.roll(large, step * frame, 1) for frame in range(8)]), 8)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    from kinema_apps.report.content import content
    from kinema_apps.report.html import render

    models = ("still", "moved")
    scores = [
        ScoreRow(
            model=model, subset=subset, item=f"{subset}-{index:02}", seed=0, metric="path-error",
            offer="path-error", unit="px", better="less", value=index + 5.0 * (model == "still"),
        )
        for model in models
        for subset in ("one", "two")
        for index in range(40)
    ]  # fmt: skip
    metric = MetricRecord(
        name="path-error", of="video", summary="How far.", unit="px", better="less", needs=(),
        published="Path error", stands_in_for="", options={}, distribution="made-up", version="1",
    )  # fmt: skip
    paper = PublishedTable(
        source="A paper, table 1",
        numbers={"moved": {"Path error": 4.25}, "theirs": {"Path error": 8}},
    )
    results = Results(
        benchmark="made-up", options={}, seeds=(0,), subsets={"one": 40, "two": 40},
        models=tuple(ModelRecord(name=name, kind="backbone", what={}) for name in models),
        metrics=(metric,), scores=tuple(scores), summary=tuple(summarise(scores)),
    )  # fmt: skip
    motion = Motion(canvas=(64, 48), drags=[[(10, 20), (40, 30)]])
    data = content(
        results,
        open_video=lambda model, place: clip(3 * (model == "moved")),
        find_motion=lambda subset, key: motion,
        follow=lambda frames, starts: np.repeat(starts[None], len(frames), 0),
        clips=6,
        published=[paper],
    )
    path = tmp_path / "report.html"
    path.write_text(render("made-up <b>&", data), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_report_works_offline(browser: Browser, report: Path, form: dict[str, Any]) -> None:
    page, faults = opened(browser, {**form, "offline": True})
    page.goto(report.as_uri())
    assert page.title() == "made-up <b>&"
    assert page.locator("#tables table").count() == 2
    papers = page.locator("#papers tbody tr")
    assert papers.locator("th").all_inner_texts() == ["moved", "theirs", "still"]
    assert papers.locator("td").all_inner_texts()[0] == "4.25"
    assert "19.5" in papers.locator("td").all_inner_texts()[1]
    assert page.locator("nav a", has_text="Beside papers").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls aside"
    page.locator("video").first.scroll_into_view_if_needed()
    until(page, "document.querySelector('video').readyState === 4")
    until(page, "document.querySelector('video').currentTime > 0.3")
    first = page.locator(".stage").first
    assert first.locator("path.drawn:not(.halo)").count() == 1
    assert first.locator("path.obtained").count() == 1
    at = first.locator("circle.drawn").get_attribute("cx")
    until(page, f"document.querySelector('.stage circle.drawn').getAttribute('cx') !== '{at}'")
    assert faults == []


def test_the_report_is_sorted_and_filtered_with_the_keyboard(
    browser: Browser, report: Path
) -> None:
    page, faults = opened(browser, DESKTOP)
    page.goto(report.as_uri())

    def cells() -> list[str]:
        return page.locator("#scores tbody tr td:nth-of-type(1)").all_inner_texts()

    page.locator("#scores thead button", has_text="still").focus()
    page.keyboard.press("Enter")
    assert page.locator("#scores th[aria-sort=ascending]").inner_text().startswith("still")
    assert cells()[:3] == ["5.00", "5.00", "6.00"]
    page.keyboard.press("Enter")  # the focus has stayed
    assert cells()[0] == "44.0"
    page.locator("#filter").focus()
    page.keyboard.type("two-0")
    until(page, "document.querySelectorAll('#scores tbody tr').length === 10")
    page.locator("#subset").select_option("one")
    assert page.locator("#scores tbody tr").count() == 0
    assert page.locator("#tables table").count() == 1
    page.locator("#filter").fill("")
    page.locator("#clip-order").select_option("best")
    assert "one-00" in page.locator(".card h3").first.inner_text()
    video = page.locator("video").first
    video.focus()
    until(page, "!document.querySelector('video').paused")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('video').paused")
    assert faults == []


def start(study: Path, *words: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "kinema_apps.cli", "evaluate", "votes", *words]
    command += ["--out", str(study), "--checks", "1", "--per-rater", "3"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    found = re.search(r"http://\S+", server.stdout.readline())
    assert found
    return server, found[0]


def answer(page: Page, key: str) -> None:
    """One comparison by keyboard alone."""
    page.wait_for_selector("#questions:enabled")
    page.locator("#pause").focus()
    for _ in range(page.locator("#questions fieldset").count()):
        page.keyboard.press("Tab")
        page.keyboard.press(key)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("form", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_rater_votes_while_the_server_is_killed(
    browser: Browser, tmp_path: Path, form: dict[str, Any]
) -> None:
    for model, step in (("ours", 3), ("theirs", 1)):
        (tmp_path / model).mkdir()
        for item in range(3):
            clip(step + item).save(tmp_path / model / f"{item}.mp4")
    Motion(canvas=(64, 48), drags=[[(10, 20), (40, 30)]]).save(tmp_path / "ours" / "0.json")
    study, folders = tmp_path / "study", [str(tmp_path / "ours"), str(tmp_path / "theirs")]
    server, url = start(study, *folders, "--port", "0")
    try:
        page, faults = opened(browser, form)
        page.goto(url)
        page.get_by_role("button", name="Begin").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        answer(page, "Space")
        page.wait_for_selector("#questions:enabled")
        assert page.locator("#count").inner_text() == "2 of 4"
        assert faults == []
        server.kill()
        server.wait()
        answer(page, "ArrowRight")
        until(page, "document.querySelector('#status').textContent.includes('again')")
        server, _ = start(study, *folders, "--port", url.rstrip("/").rpartition(":")[2])
        for _ in range(2):
            answer(page, "Space")
        page.wait_for_selector("#finished:visible")
        server.send_signal(signal.SIGINT)
        said, _ = server.communicate()
        assert server.returncode == 0
        assert "3 comparisons by 1 raters." in said or "Left out for failing" in said
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    lines = (study / "votes.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 4
    rows = (study / "votes.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(line.count('":"a"') + line.count('":"b"') for line in lines[1:])
