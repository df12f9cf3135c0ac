"""Run the benchmarks and print their table in Markdown.

``python tools/benchmark_table.py`` prints it; ``--write`` puts it into docs/performance.md.
Arguments after ``--`` go to pytest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
START, END = "<!-- benchmark table: start -->", "<!-- benchmark table: end -->"


def measured(arguments: Iterable[str]) -> dict[str, Any]:
    """What pytest-benchmark wrote about a run of tests/benchmarks.

    Raises:
        SystemExit: a benchmark failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "benchmarks.json"
        command = [
            *(sys.executable, "-m", "pytest", str(ROOT / "tests" / "benchmarks"), "-q"),
            *("--benchmark-enable", "--benchmark-only", f"--benchmark-json={target}", *arguments),
        ]
        code = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode
        if code:
            raise SystemExit(code)
        result: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return result


def seconds(value: float) -> str:
    """Three digits with a unit."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def what(name: str) -> str:
    """``test_parsing_a_motion_file[mc-bench]`` as words."""
    head, _, case = name.partition("[")
    words = head.removeprefix("test_").replace("_", " ")
    return f"{words}: {case.removesuffix(']')}" if case else words


def table(benchmarks: Iterable[Mapping[str, Any]]) -> str:
    """One row per benchmark and one table per group; ratios are to the fastest of that group."""
    parts = []
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in benchmarks:
        file = item["fullname"].partition("::")[0].rpartition("/")[2]
        title = file.removeprefix("test_").removesuffix(".py").replace("_", " ")
        groups.setdefault(item["group"] or title, []).append(item)
    for title, items in sorted(groups.items()):
        fastest = min(item["stats"]["median"] for item in items)
        parts += [
            f"### {title[0].upper()}{title[1:]}",
            "\n".join(
                [
                    "| What | Median | Fastest | Ratio |",
                    "| --- | ---: | ---: | ---: |",
                    *(
                        f"| {what(item['name'])} | {seconds(item['stats']['median'])} | "
                        f"{seconds(item['stats']['min'])} | "
                        f"{item['stats']['median'] / fastest:.3g} |"
                        for item in items
                    ),
                ]
            ),
        ]
    return "\n\n".join(parts)


def machine() -> str:
    """Where it was measured."""
    return (
        f"Measured on {os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python "
        f"{platform.python_version()}, torch {version('torch')}, kinema {version('kinema')}."
    )


def written(page: str, text: str) -> str:
    """The page with ``text`` between its two marks."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{text}\n\n{END}{after}"


def main() -> int:
    """Run, then print or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    asked = parser.parse_args()
    text = f"{machine()}\n\n{table(measured(asked.pytest)['benchmarks'])}"
    if asked.write:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
