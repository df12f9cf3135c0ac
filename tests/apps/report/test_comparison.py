"""Two models compared on every number of an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable

import attrs
import numpy as np
import pytest

from kinema.errors import InputError
from kinema.evaluation import Results
from kinema_apps.report.comparison import compare_results
from kinema_apps.report.paired import holm

MakeResults = Callable[..., Results]


def test_what_is_better_is_found_whichever_side_is_better(make_results: MakeResults) -> None:
    results = make_results()
    found = compare_results(results, "weak", results, "strong")
    rows = {(row.subset, row.metric): row for row in found.rows}
    assert len(rows) == 5
    assert {row.verdict for row in found.rows if row.better != "neither"} == {"b"}
    assert rows["objects", "speed"].verdict == "differs"
    assert rows["objects", "speed"].better_in is None
    error = rows["objects", "path-error"]
    assert error.paired.difference == pytest.approx(-5, abs=1)
    assert (error.better_in, error.paired.count) == (12, 12)
    back = compare_results(results, "strong", results, "weak")
    assert {row.verdict for row in back.rows if row.better != "neither"} == {"a"}


def test_items_are_paired_so_that_hard_items_do_not_hide_a_difference(
    make_results: MakeResults,
) -> None:
    results = make_results()
    row = compare_results(results, "weak", results, "strong").rows[0]
    summary = [results.value("path-error", model, "objects") for model in ("weak", "strong")]
    assert summary[0].low is not None
    assert summary[1].high is not None
    assert summary[1].high > summary[0].low, "unpaired intervals overlap"
    assert row.paired.high < 0


def test_p_values_are_corrected_for_all_rows(make_results: MakeResults) -> None:
    results = make_results()
    rows = compare_results(results, "weak", results, "strong").rows
    assert [row.p_sign for row in rows] == holm([row.paired.p_sign for row in rows])
    assert [row.p_bootstrap for row in rows] == holm([row.paired.p_bootstrap for row in rows])
    assert rows[0].p_sign > rows[0].paired.p_sign


def test_a_model_does_not_differ_from_itself(make_results: MakeResults) -> None:
    results = make_results()
    found = compare_results(results, "weak", results, "weak")
    assert {row.verdict for row in found.rows} == {"unsure"}
    assert {row.paired.difference for row in found.rows} == {0}


def test_seeds_of_an_item_are_one_value(make_results: MakeResults) -> None:
    results = make_results(seeds=3)
    row = compare_results(results, "weak", results, "strong").rows[0]
    assert row.paired.count == 12
    by_item: dict[str, list[float]] = {}
    for each in results.rows(metric="path-error", model="weak"):
        assert each.value is not None
        by_item.setdefault(each.item, []).append(each.value)
    assert row.paired.mean_a == pytest.approx(np.mean([np.mean(v) for v in by_item.values()]))


def test_videos_of_one_model_alone_are_counted_and_left_out(make_results: MakeResults) -> None:
    results = make_results()
    dropped = [
        attrs.evolve(row, value=None, status="failed")
        if (row.model, row.item) == ("weak", "objects-3")
        else row
        for row in results.scores
    ]
    partial = attrs.evolve(results, scores=tuple(dropped))
    found = compare_results(partial, "weak", partial, "strong")
    assert found.unmatched == 1
    assert found.rows[0].paired.count == 11
    assert "1 videos are scored of one of the two only." in found.markdown()


def test_numbers_of_a_set_are_shown_and_not_tested(make_results: MakeResults) -> None:
    results = make_results()
    found = compare_results(results, "weak", results, "strong")
    assert [(a.metric, a.value, b.value) for a, b in found.sets] == [("fid[small]", 10.0, 9.0)]
    assert "objects, fid[small]: a number of a set, which has no items to pair." in found.markdown()


def test_the_comparison_is_plain_json(make_results: MakeResults) -> None:
    results = make_results(items=2)
    found = compare_results(results, "weak", results, "strong").to_dict()
    # Of two items, half of the resamples are one item twice: no interval is wide enough.
    assert found["rows"][0]["low"] is None
    assert json.loads(json.dumps(found, allow_nan=False))["format"] == "kinema.comparison/1"


def test_what_cannot_be_compared_is_said(make_results: MakeResults) -> None:
    results = make_results()
    with pytest.raises(InputError, match=r"no model 'x'\. Choose one of: weak, strong"):
        compare_results(results, "x", results, "weak")
    other = attrs.evolve(results, options={"count": 3})
    with pytest.raises(InputError, match="are of different items"):
        compare_results(results, "weak", other, "weak")
    with pytest.raises(InputError, match="no number of two items in common"):
        compare_results(make_results(items=1), "weak", make_results(items=1), "strong")
