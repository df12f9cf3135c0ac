"""A suite's table: a row per model, ours and the paper's numbers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kinema.evaluation.published import PublishedTable, beside, differences
from kinema_apps.report.times import seconds_per_video
from kinema_apps.suites.named import Suite

if TYPE_CHECKING:
    from kinema.evaluation import Results, SummaryRow


def table(suite: Suite, found: Results, folder: Path | None = None) -> str:
    """The suite's table as Markdown, and what separates the numbers here from the paper's.

    Args:
        suite: which.
        found: of its evaluation, with the published tables that it was given.
        folder: of the evaluation, which knows how long its videos took.
    """
    times = [] if folder is None else seconds_per_video(folder, found)
    lines = [f"## {suite.name}: {suite.summary}", ""]
    if not found.published:
        lines += _without_paper(suite, found)
    for each in found.published:
        lines += [f"Beside {each.source}:", "", *_with_paper(suite, found, each, times), ""]
        lines += [*(f"- {words}" for words in differences(found, each)), ""]
    recipes = [f"{row.name} ({row.recipe})" for row in suite.rows if row.recipe]
    if recipes:
        lines.append(f"- Controllers are trained by these recipes: {', '.join(recipes)}.")
    others = [f"{row.name} ({row.note})" for row in suite.rows if not row.recipe]
    if others:
        lines.append(f"- Models of others: {', '.join(others)}.")
    if suite.metrics:
        lines.append(f"- The paper's metrics, which need weights: {', '.join(suite.metrics)}.")
    return "\n".join(lines) + "\n"


def _with_paper(
    suite: Suite, found: Results, paper: PublishedTable, times: Sequence[SummaryRow]
) -> list[str]:
    """For each published metric a column of the paper's numbers and one of ours."""
    cells = {(each.method, each.metric): each for each in beside(found, paper, times)}
    names = {
        metric: list(
            dict.fromkeys(r.metric for (_, m), c in cells.items() if m == metric for r in c.here)
        )
        for metric in paper.metrics
    }
    head = ["Row"]
    for metric in paper.metrics:
        head += [f"{metric} (paper)", *(f"{name} (here)" for name in names[metric])]
    methods = dict.fromkeys([*(row.name for row in suite.rows), *(method for method, _ in cells)])
    lines = []
    for method in methods:
        line = [method]
        for metric in paper.metrics:
            cell = cells.get((method, metric))
            value = cell.published if cell else None
            line.append("-" if value is None else f"{value:g}")
            here = cell.here if cell else ()
            line += [_ours([r for r in here if r.metric == name]) for name in names[metric]]
        lines.append(line)
    return _rows(head, lines)


def _without_paper(suite: Suite, found: Results) -> list[str]:
    names = list(dict.fromkeys(row.metric for row in found.summary))
    methods = dict.fromkeys(
        [*(row.name for row in suite.rows), *(model.name for model in found.models)]
    )
    lines = [
        [
            method,
            *(
                _ours([r for r in found.summary if (r.model, r.metric) == (method, n)])
                for n in names
            ),
        ]
        for method in methods
    ]
    said = "- The paper draws this without numbers, so there are none to stand beside these."
    words = [
        f"- {record.name} stands in for {record.stands_in_for}: the order of rows may be compared "
        "with the paper's, the numbers may not."
        for record in found.metrics
        if record.stands_in_for
    ]
    return [*_rows(["Row", *names], lines), "", said, *words]


def _ours(rows: Sequence[SummaryRow]) -> str:
    subsets = len({row.subset for row in rows}) > 1
    parts = [f"{row.subset}: {row}" if subsets else f"{row}" for row in rows]
    return "; ".join(parts) or "not evaluated"


def _rows(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        "|" + " --- |" * len(head),
        *(f"| {' | '.join(line)} |" for line in lines),
    ]
