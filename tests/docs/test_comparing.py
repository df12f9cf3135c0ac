"""The code of docs/how-to/read-the-report.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinema.evaluation import Results, ScoreRow
from kinema.evaluation.results import ModelRecord, summarise
from kinema_apps.report.comparison import compare_results

pytestmark = pytest.mark.all_packages


def test_two_models_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scores = [
        ScoreRow(
            model=model,
            subset="all",
            item=str(item),
            seed=0,
            metric="md-vid[dis]",
            offer="md-vid[dis]",
            better="less",
            value=item % 7 + gain + 0.1 * (item % 3),
        )
        for model, gain in (("before", 1.0), ("after", 0.0))
        for item in range(20)
    ]
    made = Results(
        benchmark="made-up",
        options={},
        seeds=(0,),
        subsets={"all": 20},
        models=tuple(ModelRecord(name=m, kind="videos", what={}) for m in ("before", "after")),
        metrics=(),
        scores=tuple(scores),
        summary=tuple(summarise(scores)),
    )
    Path("first").mkdir()
    made.save("first")

    # --8<-- [start:compare]
    results = Results.load("first")
    found = compare_results(results, "before", results, "after")
    for row in found.rows:
        print(row.metric, row.paired.difference, row.p_bootstrap, row.verdict)
    # --8<-- [end:compare]
    assert [row.verdict for row in found.rows] == ["b"]
