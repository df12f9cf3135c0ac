"""The measure of the preview's pictures: ahead of the simple rival, and the page has its table."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.all_packages


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    return runpy.run_path(str(FOLDER / "preview_quality.py"))


@pytest.mark.slow
def test_preview_is_ahead_of_a_rigid_cut_out(measure: dict[str, Any]) -> None:
    main: Callable[[list[str]], list[dict[str, Any]]] = measure["main"]
    rows = main(["--quick"])

    def mean(who: str, column: str) -> float:
        return float(np.nanmean([row[who][column] for row in rows]))

    for column in ("rim", "hole", "edge", "flicker"):
        assert mean("preview", column) < mean("rival", column), column
    assert mean("preview", "rim") <= 1.2 * mean("preview", "hole")
    assert mean("preview", "thin") > max(0.9, mean("rival", "thin"))


def test_the_page_holds_a_table_of_this_form(measure: dict[str, Any]) -> None:
    page = Path(measure["PAGE"]).read_text(encoding="utf-8")
    table = page.split(measure["MARKS"][0])[1].split(measure["MARKS"][1])[0].strip()
    rows = [line.split(" | ")[0].strip("| ") for line in table.splitlines()]
    assert rows == [
        "scenes",
        "---|---|---|---|---|---",
        *measure["MOTIONS"],
        *measure["MASKS"],
        "all",
    ]
