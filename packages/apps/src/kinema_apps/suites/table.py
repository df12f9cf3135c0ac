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
    rows = [row.name for row in suite.rows]
    lines = [f"## {suite.name}: {suite.summary}", ""]
    if found.published:
        lines.append(beside_papers(found, folder, rows))
    else:
        lines += _without_paper(rows, found)
    recipes = [f"{row.name} ({row.recipe})" for row in suite.rows if row.recipe]
    if recipes:
        lines.append(f"- Controllers are trained by these recipes: {', '.join(recipes)}.")
    others = [f"{row.name} ({row.note})" for row in suite.rows if not row.recipe]
    if others:
        lines.append(f"- Models of others: {', '.join(others)}.")
    if suite.metrics:
        lines.append(f"- The paper's metrics, which need weights: {', '.join(suite.metrics)}.")
    return "\n".join(lines) + "\n"


def beside_papers(found: Results, folder: Path | None = None, rows: Sequence[str] = ()) -> str:
    """Every published table beside the evaluation, as Markdown, each with what differs.

    Args:
        found: the evaluation, with the published tables that it was given.
        folder: of the evaluation, which knows how long its videos took.
        rows: methods that come first.
    """
    times = [] if folder is None else seconds_per_video(folder, found)
    lines: list[str] = []
    for paper in found.published:
        lines += [f"Beside {paper.source}:", "", *_with_paper(rows, found, paper, times), ""]
        lines += [*(f"- {words}" for words in differences(found, paper)), ""]
    return "\n".join(lines)


def _with_paper(
    rows: Sequence[str], found: Results, paper: PublishedTable, times: Sequence[SummaryRow]
) -> list[str]:
    """For each published metric a column of the paper's numbers and one of ours."""
    cells = {(each.method, each.metric): each for each in beside(found, paper, times)}
    names: dict[str, list[str]] = {metric: [] for metric in paper.metrics}
    for (_, metric), cell in cells.items():
        names[metric] += [r.metric for r in cell.here if r.metric not in names[metric]]
    head = ["Row"]
    for metric in paper.metrics:
        head += [f"{metric} (paper)", *(f"{name} (here)" for name in names[metric])]
    lines = []
    for method in dict.fromkeys([*rows, *(method for method, _ in cells)]):
        line = [method]
        for metric in paper.metrics:
            found_cell = cells.get((method, metric))
            value = found_cell.published if found_cell else None
            line.append("-" if value is None else f"{value:g}")
            here = found_cell.here if found_cell else ()
            line += [_ours([r for r in here if r.metric == name]) for name in names[metric]]
        lines.append(line)
    return _rows(head, lines)


def _without_paper(rows: Sequence[str], found: Results) -> list[str]:
    names = list(dict.fromkeys(row.metric for row in found.summary))
    methods = dict.fromkeys([*rows, *(model.name for model in found.models)])
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
