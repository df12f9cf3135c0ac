"""Krippendorff's alpha, against the examples he published."""

from __future__ import annotations

import random

import pytest

from kinema_apps.votes.agreement import alpha, disagreement, pooled


def units(*raters: str) -> list[list[str]]:
    """Answers by unit, from a line per rater; a dot is missing."""
    return [[each for each in column if each != "."] for column in zip(*raters, strict=True)]


def test_the_published_examples() -> None:
    # "Computing Krippendorff's Alpha-Reliability" (2011), sections A, B and C.
    assert alpha(units("0100000010", "1110010000")) == pytest.approx(0.095, abs=5e-4)
    assert alpha(units("aabbdcccedda", "babbbccceddd")) == pytest.approx(0.692, abs=5e-4)
    four = units("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    assert alpha(four) == pytest.approx(0.743, abs=5e-4)


def test_full_agreement_is_one_and_chance_is_nought() -> None:
    assert alpha([["a", "a"], ["b", "b", "b"]]) == 1
    rng = random.Random(0)
    assert alpha([rng.choices("abc", k=3) for _ in range(4000)]) == pytest.approx(0, abs=0.03)


def test_without_pairs_or_with_one_answer_only_it_is_unknown() -> None:
    assert alpha([]) is None
    assert alpha([["a"], ["b"]]) is None
    assert alpha([["a", "a"], ["a", "a"]]) is None


def test_pooling_groups_does_not_count_their_names_as_agreement() -> None:
    rng = random.Random(1)
    one = [rng.choices("ab", k=4) for _ in range(2000)]
    other = [rng.choices("cd", k=4) for _ in range(2000)]
    assert alpha(one + other) == pytest.approx(1 / 3, abs=0.05)
    assert pooled([disagreement(one), disagreement(other)]) == pytest.approx(0, abs=0.05)
    assert pooled([]) is None
