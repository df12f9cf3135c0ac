"""Shares, intervals, agreement and tables of made-up votes."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kinema_apps.votes.results import count_votes, inattentive, write_shares, write_votes
from kinema_apps.votes.store import Trial, Vote, VoteStore
from kinema_apps.votes.study import Study

NOW = "2026-01-01T00:00:00+00:00"

PlainStudy = Callable[..., Study]


def fill(store: VoteStore, raters: int, strength: dict[str, float], seed: int = 0) -> None:
    """Raters who prefer a model with odds by strength, and who see the checks."""
    rng = random.Random(seed)
    for index in range(raters):
        rater = f"r{index}"
        for number, trial in enumerate(store.enrol(rater, NOW)):
            odds = [1.0, 1e-9] if trial.a == "intact" else [1e-9, 1.0]
            if trial.check is None:
                odds = [strength[trial.a], strength[trial.b]]
            asked = store.study.questions(trial.item)
            answers = {name: rng.choices("ab", odds)[0] for name in asked}
            store.add(Vote(rater=rater, trial=number, answers=answers, seconds=2.5, at=NOW))


def test_shares_are_what_the_raters_prefer(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain(items=30, models=3), per_rater=90)
    fill(store, 12, {"p": 3.0, "q": 1.0, "r": 1.0})
    results = count_votes(store)
    assert (results.raters, results.votes, results.inattentive) == (12, 12 * 90, ())
    found = {(one.question, one.model, one.against): one for one in results.shares}
    for question in ("motion-quality", "temporal-coherence"):
        against = found[question, "p", "q"]
        assert against.low < 0.75 < against.high
        assert against.high - against.low < 0.2
        assert found[question, "q", "p"].share == pytest.approx(1 - against.share)
        assert (against.count, against.raters, against.items) == (360, 12, 30)
        assert found[question, "p", ""].count == 720
        assert against.alpha == pytest.approx(0, abs=0.08)
    assert ("trajectory-alignment", "p", "q") not in found


def test_a_tie_counts_half(tmp_path: Path) -> None:
    study = Study(
        models=("p", "q"), videos={"x": ("p", "q")}, drawn=frozenset({"x"}), checks=0, ties=True
    )
    store = VoteStore(tmp_path, study)
    for rater, said in (("ann", "same"), ("bob", "a")):
        (trial,) = store.enrol(rater, NOW)
        side = said if said == "same" else ("a" if trial.a == "p" else "b")
        answers = dict.fromkeys(study.questions("x"), side)
        store.add(Vote(rater=rater, trial=0, answers=answers, seconds=1, at=NOW))
    shares = {(one.question, one.model): one.share for one in count_votes(store).shares}
    assert shares["trajectory-alignment", "p"] == 0.75
    assert shares["trajectory-alignment", "q"] == 0.25


def test_raters_and_items_that_agree_widen_the_interval(tmp_path: Path, plain: PlainStudy) -> None:
    def width(votes: list[tuple[str, int, bool]]) -> float:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        store = VoteStore(folder, plain(items=20, models=2, checks=0))
        for rater, item, wins in votes:
            trials = store.enrol(rater, NOW)
            number = next(n for n, trial in enumerate(trials) if trial.item == str(item))
            side = "a" if (trials[number].a == "p") == wins else "b"
            answers = dict.fromkeys(store.study.questions(str(item)), side)
            store.add(Vote(rater=rater, trial=number, answers=answers, seconds=1, at=NOW))
        one = count_votes(store).shares[0]
        assert one.share == 0.5
        return one.high - one.low

    everyone = [(f"r{rater}", item) for rater in range(6) for item in range(20)]
    mixed = width([(rater, item, (item + int(rater[1])) % 2 == 0) for rater, item in everyone])
    by_item = width([(rater, item, item % 2 == 0) for rater, item in everyone])
    by_rater = width([(rater, item, int(rater[1]) % 2 == 0) for rater, item in everyone])
    assert mixed < by_item < by_rater


def test_full_agreement_has_the_exact_interval_of_the_items(
    tmp_path: Path, plain: PlainStudy
) -> None:
    store = VoteStore(tmp_path, plain(items=10, models=2, checks=0))
    fill(store, 4, {"p": 1.0, "q": 1e-12})
    one = count_votes(store).shares[0]
    exact = stats.binomtest(10, 10).proportion_ci()
    assert (one.share, one.high) == (1.0, 1.0)
    assert one.low == pytest.approx(exact.low)
    assert one.alpha is None


def test_raters_who_fail_the_checks_are_left_out_and_named(
    tmp_path: Path, plain: PlainStudy
) -> None:
    store = VoteStore(tmp_path, plain(items=6, models=2, checks=3))
    fill(store, 3, {"p": 1e6, "q": 1.0})
    for number, trial in enumerate(store.enrol("asleep", NOW)):
        side = "b" if "intact" in (trial.a,) or trial.a == "p" else "a"
        answers = dict.fromkeys(store.study.questions(trial.item), side)
        store.add(Vote(rater="asleep", trial=number, answers=answers, seconds=0.1, at=NOW))
    assert inattentive(store) == ("asleep",)
    assert count_votes(store).shares[0].share == pytest.approx(1)
    assert count_votes(store, keep_inattentive=True).shares[0].share == pytest.approx(0.75)
    assert "failing the attention checks: asleep." in count_votes(store).markdown()


def test_tables_hold_every_answer(tmp_path: Path, plain: PlainStudy) -> None:
    store = VoteStore(tmp_path, plain(items=4, models=2, checks=1))
    fill(store, 2, {"p": 1.0, "q": 1.0})
    with write_votes(store, tmp_path / "votes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5 * 2
    checks = [row for row in rows if row["attention_check"] == "1"]
    assert {row["chosen"] for row in checks} == {"intact"}
    assert {row["check_passed"] for row in checks} == {"1"}
    with write_shares(count_votes(store), tmp_path / "shares.csv").open(newline="") as file:
        shares = list(csv.DictReader(file))
    assert {row["model"] for row in shares} == {"p", "q"}
    assert np.isclose(sum(float(row["share"]) for row in shares[:2]), 1)


def test_what_a_spreadsheet_takes_for_a_formula_is_defused(tmp_path: Path) -> None:
    study = Study(
        models=("=1+1", "q"), videos={"x": ("=1+1", "q")}, drawn=frozenset(), checks=0, ties=False
    )
    store = VoteStore(tmp_path, study)
    fill(store, 1, {"=1+1": 1.0, "q": 1e-12})
    assert "'=1+1" in write_votes(store, tmp_path / "votes.csv").read_text()


def test_a_study_without_votes_has_no_shares(tmp_path: Path, plain: PlainStudy) -> None:
    results = count_votes(VoteStore(tmp_path, plain()))
    assert results.shares == ()
    assert "0 comparisons by 0 raters." in results.markdown()


def test_trials_say_which_side_is_which(plain: PlainStudy) -> None:
    trial = Trial(item="x", a="q", b="p")
    store = VoteStore(Path("nowhere"), plain(items=1, models=2))
    assert (store.pair_of(trial).first, store.pair_of(trial).second) == ("p", "q")
