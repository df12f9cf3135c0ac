"""The study of known models: its tables say what was found, and an order that is off is told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kinema.evaluation import ModelRecord, Results, SummaryRow
from kinema.plugins import Plugins

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.all_packages


@pytest.fixture(scope="module")
def study() -> ModuleType:
    path = ROOT / "benchmarks" / "evaluation_study.py"
    spec = importlib.util.spec_from_file_location("evaluation_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluation_study"] = module
    spec.loader.exec_module(module)
    return module


def row(metric: str, model: str, value: float | None, subset: str = "object-level") -> SummaryRow:
    spread = None if value is None else 0.25
    return SummaryRow(
        model=model,
        subset=subset,
        metric=metric,
        offer=metric,
        of="video",
        value=value,
        low=None if value is None or spread is None else value - spread,
        high=None if value is None or spread is None else value + spread,
        count=0 if value is None else 100,
        unit="px",
        better="less",
    )


def results(*rows: SummaryRow) -> Results:
    return Results(
        benchmark="synthetic",
        options={},
        seeds=(0,),
        subsets={"object-level": 100, "camera": 100},
        models=tuple(
            ModelRecord(name=name, kind="backbone", what={})
            for name in dict.fromkeys(each.model for each in rows)
        ),
        metrics=(),
        scores=(),
        summary=rows,
    )


def test_models_and_metrics_exist(study: ModuleType) -> None:
    plugins = Plugins.installed()
    for name in (*study.METRICS, *study.OF_IMAGES):
        kind = "set metric" if name.startswith(("fid", "motion-frechet")) else "metric"
        plugins.find(kind, name)
    for model in study.MODELS.values():
        model.what(plugins)
    assert {name for _, _, names in study.ORDERS for name in names} <= set(study.MODELS)


def test_a_table_has_a_row_per_subset_and_a_dash_for_what_is_not_there(study: ModuleType) -> None:
    found = results(
        row("md-vid[dis]", "preview", 0.5),
        row("md-vid[dis]", "still", 8.0),
        row("md-vid[dis]", "still", 2.0, "camera"),
        row("md-vid[dis]", "preview", None, "camera"),
    )
    assert study.table(found, "md-vid[dis]").splitlines() == [
        "`md-vid[dis]` (px), less is better:",
        "",
        "| Subset | N | still | preview |",
        "| --- | --- | --- | --- |",
        "| object-level | 100 | 8 [7.75, 8.25] | 0.5 [0.25, 0.75] |",
        "| camera | 100 | 2 [1.75, 2.25] | - |",
    ]
    assert study.table(found, "psnr") == ""
    assert study.tables(found) == study.table(found, "md-vid[dis]")


def test_orders_that_do_not_hold_are_told(study: ModuleType) -> None:
    def found(tiny: float) -> Results:
        values = {"still": 8.0, "unsteered": 8.0, "tiny": tiny, "preview": 0.5}
        return results(*(row("md-vid[dis]", name, value) for name, value in values.items()))

    assert not [*study.disorder(found(4.0))]
    overlapping = [*study.disorder(found(7.6))]
    assert len(overlapping) == 2
    assert "still 8 [7.75, 8.25], tiny 7.6 [7.35, 7.85]" in overlapping[0]


def test_the_page_has_the_marks_once(study: ModuleType) -> None:
    page = study.PAGE.read_text(encoding="utf-8")
    assert page.count(study.START) == page.count(study.END) == 1
    assert study.written(f"a {study.START} old {study.END} b", "new") == (
        f"a {study.START}\n\nnew\n\n{study.END} b"
    )
