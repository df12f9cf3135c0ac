"""Suites: a paper's table with our numbers, the paper's, and what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kinema.errors import InputError
from kinema.evaluation import PublishedTable, Results, read_published
from kinema.evaluation.published import SECONDS
from kinema.offers import BENCHMARK, METRIC, SET_METRIC
from kinema.plugins import Plugins
from kinema_apps.suites import SUITES, suite_of

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"


def test_every_row_of_ours_has_its_recipe() -> None:
    named = {row.recipe for suite in SUITES for row in suite.rows if row.recipe}
    assert len(named) > 10
    assert {name for name in named if not (RECIPES / f"{name}.toml").is_file()} == set()


def test_unknown_suites_are_refused() -> None:
    with pytest.raises(InputError, match=r"Unknown suite 'table-9'\. Did you mean 'table-"):
        suite_of("table-9")


def test_what_the_paper_reports() -> None:
    """As the text of the paper says it: gains of one table's numbers over another's."""
    numbers = {suite.name: suite.published[0].numbers for suite in SUITES if suite.published}
    one, two, three = (numbers[f"table-{index}"] for index in (1, 2, 3))
    assert one["mofa-video"]["FVD"] - one["motionpro"]["FVD"] == pytest.approx(27.82)
    assert two["motionpro"]["MD-Vid"] < two["mofa-video"]["MD-Vid"]
    gain = {
        name: three["draganything"][name] - three["motionpro"][name] for name in three["motionpro"]
    }
    assert gain["MD-Img"] == pytest.approx(1.82)
    assert gain["MD-Vid"] == pytest.approx(2.78)
    assert numbers["ablations"]["motionpro"]["FVD"] == one["motionpro"]["FVD"]
    assert {suite.name for suite in SUITES if not suite.published} == {"figure-6", "figure-8"}


@pytest.mark.all_packages
def test_suites_name_what_is_installed() -> None:
    plugins = Plugins.installed()
    known: dict[str, Any] = {
        item.offer.name: item.offer for kind in (METRIC, SET_METRIC) for item in plugins.all(kind)
    }
    benchmarks = {item.offer.name for item in plugins.all(BENCHMARK)}
    for suite in SUITES:
        assert suite.benchmark in benchmarks
        published = {known[name].published for name in suite.metrics}
        companions = {known[name].stands_in_for for name in suite.companions}
        assert published <= companions, f"{suite.name} has a metric that nothing stands in for"
        for table in suite.published:
            assert set(table.metrics) <= companions | {SECONDS}
            assert set(table.numbers) <= {row.name for row in suite.rows}


def mc_bench(folder: Path) -> Path:
    for name in ("object_control/1", "Fine_grained_control/4"):
        item = folder / name
        item.mkdir(parents=True)
        coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 48)).save(item / "first_frame.png")
        (item / "meta_data.json").write_text('{"traj_key_points": [[[20, 20], [30, 25]]]}')
    return folder


def cells(said: str, row: str) -> dict[str, str]:
    """A row of the first table that was printed, by head."""
    lines = [line.strip("|").split("|") for line in said.splitlines() if line.startswith("|")]
    (line,) = [each for each in lines if each[0].strip() == row]
    return {head.strip(): cell.strip() for head, cell in zip(lines[0], line, strict=True)}


@pytest.mark.all_packages
def test_a_suite_is_run_and_says_what_differs(kinema: Callable[..., Any], tmp_path: Path) -> None:
    data = mc_bench(tmp_path / "MC-Bench")
    model = ("--backbone", "motionpro:preview", "--frames", "4", "--out", "out", "--clips", "0")
    words = ("evaluate", "--suite", "table-3", "--data", str(data), *model)
    said = kinema(*words, "--metric", "md-vid[dis]").stdout
    row = cells(said, "motionpro")
    assert row["MD-Vid (paper)"] == "8.59"
    assert re.fullmatch(r"[\d.e-]+ \[.*\]", row["md-vid[dis] (here)"])
    assert "MD-Vid (here)" not in row, "a companion never has the published name"
    assert cells(said, "mofa-video")["md-vid[dis] (here)"] == "not evaluated"
    assert "md-vid[dis] (side 192, quality balanced) stands in for MD-Vid: the order" in said
    assert "as optical flow sees them." in said
    assert "MD-Img was not measured here." in said
    assert "Here: items: 1 of object-level" in said
    assert "motionpro here: the backbone preview with the weights that it brings." in said
    # What the folder holds is enough for the page, and for a reader in Python.
    found = Results.load("out")
    assert found.published[0].numbers["motionpro"]["MD-Vid"] == 8.59
    kinema("evaluate", "--report", "out", "--clips", "0")
    assert "table 3" in Path("out/report.html").read_text()
    timing = ("evaluate", "--suite", "runtime", "--data", str(data), *model[:-4])
    said = kinema(*timing, "--out", "timed", "--clips", "0").stdout
    row = cells(said, "motionpro")
    assert row["Seconds per video (paper)"] == "17"
    assert float(row["Seconds per video (here)"].split()[0]) > 0


@pytest.mark.all_packages
def test_a_figure_without_numbers_says_so(kinema: Callable[..., Any], tmp_path: Path) -> None:
    data = mc_bench(tmp_path / "MC-Bench")
    model = ("--backbone", "k-8:preview", "--frames", "4", "--out", "out", "--clips", "0")
    words = ("evaluate", "--suite", "figure-6", "--data", str(data), *model)
    said = kinema(*words, "--metric", "md-vid[dis]").stdout
    assert "The paper draws this without numbers" in said
    row = cells(said, "k-8")["md-vid[dis]"]
    assert "fine-grained: " in row
    assert "object-level: " in row


@pytest.mark.all_packages
def test_a_table_of_ones_own_stands_beside_any_benchmark(
    kinema: Callable[..., Any], tmp_path: Path
) -> None:
    data = mc_bench(tmp_path / "MC-Bench")
    numbers = {"still": {"MD-Vid": 20.5}}
    given = {"format": "kinema.published/1", "source": "A paper", "numbers": numbers}
    Path("paper.json").write_text(json.dumps(given))
    words = ("--benchmark", "mc-bench", "--data", str(data), "--metric", "md-vid[dis]")
    form = ("--published", "paper.json", "--frames", "4", "--out", "out", "--clips", "0")
    row = cells(kinema("evaluate", *words, "--still", *form).stdout, "still")
    assert row["MD-Vid (paper)"] == "20.5"
    assert "fine-grained: " in row["md-vid[dis] (here)"]
    (table,) = Results.load("out").published
    assert table == PublishedTable(source="A paper", numbers=numbers)


@pytest.mark.all_packages
def test_words_that_contradict_are_refused(kinema: Callable[..., Any]) -> None:
    base = ("evaluate", "--out", "out", "--still")
    said = kinema(*base, "--suite", "table-1", "--benchmark", "videos", code=2).output
    assert "and not both" in said
    said = kinema("evaluate", "--report", "x", "--suite", "table-1", code=2).output
    assert "--report reads the folder it names" in said
    assert "Name a --benchmark or a --suite" in kinema("evaluate", code=2).output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("[1]", "must say 'format': 'kinema.published/1', got None"),
        ('{"format": "kinema.published/1", "source": "a"}', "must hold 'source' and 'numbers'"),
        ('{"format": "kinema.published/1", "source": "a", "numbers": {}}', "needs numbers"),
        ('{"format": "kinema.published/1", "source": "a", "numbers": [1]}', "must hold"),
        (
            '{"format": "kinema.published/1", "source": "a", "numbers": {"m": {"FVD": "9"}}}',
            "'9' is no number",
        ),
        (
            '{"format": "kinema.published/1", "source": 1, "numbers": {"m": {"FVD": 9}}}',
            "'source' is text, not 1",
        ),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "paper.json"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)):
        read_published(path)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_published(tmp_path / "none.json")


@pytest.mark.all_packages
def test_a_metric_says_what_it_is(kinema: Callable[..., Any]) -> None:
    said = kinema("show", "md-vid[dis]").stdout
    assert "  In px; less is better.\n" in said
    assert "  Stands in for MD-Vid, and is not comparable with it.\n" in said
    assert "  It is MD-Vid as published.\n" in kinema("show", "md-vid").stdout
