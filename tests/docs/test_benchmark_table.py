"""The table of docs/performance.md."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "benchmark_table.py"
    spec = importlib.util.spec_from_file_location("benchmark_table_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(name: str, median: float) -> dict[str, Any]:
    return {
        "name": name,
        "group": None,
        "fullname": f"tests/benchmarks/test_formats.py::{name}",
        "stats": {"median": median, "min": median / 2},
    }


def test_a_table_has_units_and_ratios(tool: ModuleType) -> None:
    text = tool.table([timed("test_reading[ati]", 0.0125), timed("test_discovery", 0.005)])
    assert text == (
        "### Formats\n\n"
        "| What | Median | Fastest | Ratio |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| reading: ati | 12.5 ms | 6.25 ms | 2.5 |\n"
        "| discovery | 5 ms | 2.5 ms | 1 |"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(12.34, "12.3 s"), (0.9, "900 ms"), (4e-5, "40 us"), (3e-8, "30 ns")]
)
def test_durations_have_three_digits(tool: ModuleType, value: float, text: str) -> None:
    assert tool.seconds(value) == text


def test_only_what_is_between_the_marks_changes(tool: ModuleType) -> None:
    page = f"before\n{tool.START}\nold\n{tool.END}\nafter\n"
    assert tool.written(page, "new") == (f"before\n{tool.START}\n\nnew\n\n{tool.END}\nafter\n")


def test_the_page_has_the_marks_once(tool: ModuleType) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.count(tool.START) == page.count(tool.END) == 1
