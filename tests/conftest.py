"""What tests of every folder share: repeatable examples, and one browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Small tensors gain nothing by many threads, and processes that share processors lose by more than
# one. Read when torch is imported, and by the processes that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

#: Names under which systems have it.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Processes for the whole suite; what is named by hand, and what is slow, has this one."""
    whole = config.args == config.getini("testpaths")
    quick = config.option.markexpr == "not slow"
    return min(os.cpu_count() or 1, 8) if whole and quick else 0


# Not for the session: while it is open, an event loop runs in this thread, and no other can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium of this machine, or the one that Playwright installed; without a window."""
    reason = "playwright is not installed"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    # Without the switches it tries to reach its maker, and to use memory that containers lack.
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    quiet += ["--disable-dev-shm-usage"]
    with sync_api.sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, CHROMIUM)), playwright.chromium.executable_path)
        if not Path(path).is_file():
            pytest.skip("there is no Chromium on this machine")
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()
