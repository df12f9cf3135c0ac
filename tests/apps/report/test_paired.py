"""Paired tests, against scipy, tables and what must hold of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kinema.errors import InputError
from kinema_apps.report.paired import compare_pairs, holm, sign_test


def test_the_sign_test_has_the_numbers_of_the_table() -> None:
    # Two-sided binomial tails at 1/2: 2 * (1 + 10) / 2**10 and 2 * 1 / 2**6.
    assert sign_test(9, 1) == pytest.approx(22 / 1024)
    assert sign_test(0, 6) == pytest.approx(2 / 64)
    assert sign_test(5, 5) == sign_test(0, 0) == 1


def test_holm_has_the_numbers_of_the_procedure() -> None:
    # By hand, after Holm (1979): 4 * 0.005, then 3 * 0.01, then 2 * 0.03, then what came before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(InputError, match=r"lie in \[0, 1\], got \[1.5\]"):
        holm([1.5])


def test_holm_is_never_below_what_it_corrects_and_keeps_the_order() -> None:
    p = np.random.default_rng(3).uniform(size=20).tolist()
    corrected = holm(p)
    assert all(after >= before for before, after in zip(p, corrected, strict=True))
    assert (np.diff(np.array(corrected)[np.argsort(p)]) >= 0).all()
    # Bonferroni bounds it from above.
    assert all(after <= min(1, 20 * b) for b, after in zip(p, corrected, strict=True))


@pytest.mark.parametrize("effect", [0.0, 0.3, 0.6])
def test_the_bootstrap_agrees_with_the_t_test_where_that_is_right(effect: float) -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(3, 2, 60)
    b = a + rng.normal(effect, 1, 60)
    found = compare_pairs(a.tolist(), b.tolist())
    theirs = stats.ttest_rel(b, a)
    interval = theirs.confidence_interval()
    assert found.p_bootstrap == pytest.approx(theirs.pvalue, abs=0.015)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.03)
    assert found.standardised == pytest.approx(theirs.statistic / math.sqrt(60))
    assert found.p_sign == pytest.approx(stats.binomtest(int((b > a).sum()), 60).pvalue)


def test_no_effect_is_found_about_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(11)
    runs, found = 300, 0
    for _ in range(runs):
        differences = rng.exponential(1.0, 25) - 1.0  # skewed, without an effect
        found += compare_pairs([0.0] * 25, differences.tolist(), resamples=400).p_bootstrap < 0.05
    assert found / runs < 0.12


def test_the_interval_excludes_nought_exactly_where_p_is_small() -> None:
    rng = np.random.default_rng(2)
    for effect in np.linspace(-0.6, 0.6, 25):
        differences = rng.normal(effect, 1, 20)
        found = compare_pairs([0.0] * 20, differences.tolist(), resamples=999)
        assert (found.low > 0 or found.high < 0) == (found.p_bootstrap <= 0.05)


def test_what_differs_by_the_same_everywhere() -> None:
    same = compare_pairs([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.p_bootstrap, same.p_sign, same.standardised, same.dominance) == (1, 1, 0, 0)
    more = compare_pairs([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert (more.difference, more.low, more.high, more.standardised) == (1, 1, 1, math.inf)
    assert (more.higher, more.lower, more.equal, more.dominance) == (3, 0, 0, 1)


def test_swapping_the_models_swaps_the_answer() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.uniform(size=30), rng.uniform(size=30)
    one, other = compare_pairs(a.tolist(), b.tolist()), compare_pairs(b.tolist(), a.tolist())
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p_bootstrap == other.p_bootstrap
    assert one.dominance == -other.dominance


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(InputError, match="at least 2 items"):
        compare_pairs([1.0], [2.0])
    with pytest.raises(InputError, match="same length"):
        compare_pairs([1.0, 2.0], [2.0])
    with pytest.raises(InputError, match="finite"):
        compare_pairs([1.0, math.nan], [2.0, 1.0])
