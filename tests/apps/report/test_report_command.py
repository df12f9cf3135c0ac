"""``kinema evaluate --report`` and ``kinema evaluate compare``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_two_models_are_compared(kinema: Callable[..., Any], evaluated: Path) -> None:
    said = kinema(
        "evaluate", "compare", f"{evaluated}:weak", f"{evaluated}:strong", "--out", "found.json"
    )
    assert "A is weak, B is strong." in said.stdout
    assert "| B is better |" in said.stdout
    rows = json.loads(Path("found.json").read_text())["rows"]
    assert [row["verdict"] for row in rows if row["better"] != "neither"] == ["b"] * 3


def test_what_cannot_be_compared_is_said(kinema: Callable[..., Any], evaluated: Path) -> None:
    said = kinema("evaluate", "compare", str(evaluated), str(evaluated), code=2)
    assert "has several models: weak, strong. Name one, as in" in said.stderr
    one = f"{evaluated}:weak"
    assert "are the same model" in kinema("evaluate", "compare", one, one, code=2).stderr
    assert "There are no results in" in kinema("evaluate", "compare", "x", "y", code=2).stderr


def test_a_report_is_written_alone(kinema: Callable[..., Any], evaluated: Path) -> None:
    said = kinema("evaluate", "--report", str(evaluated), "--clips", "0")
    assert f"Wrote {evaluated / 'report.html'}." in said.stdout
    assert (evaluated / "report.html").stat().st_size > 20_000
    said = kinema("evaluate", "--report", str(evaluated), "--benchmark", "x", code=2)
    assert "--report reads the folder it names" in said.stderr
