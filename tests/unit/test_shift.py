"""Shifts of shares and totals between windows: users, weeks, tolerances."""

import numpy as np
import pytest
from scipy import stats

from streamrec.stats.divergences import psi
from streamrec.stats.shift import (
    ks_critical,
    ks_shift,
    rare_shift,
    ratio_shift,
    share_shift,
    table,
    tail,
)


def counts(rng, U=300, W=5, B=8, *, taste=0.5, wander=0.3, move=0.0):
    """Users with their own tastes and activity; ``move`` changes window 0."""
    tastes = rng.dirichlet(np.full(B, taste), size=U)
    rate = rng.lognormal(2.3, 1.0, size=U)[:, None] * rng.lognormal(0, wander, (U, W))
    n = rng.poisson(rate)
    p = np.repeat(tastes[:, None], W, axis=1)
    p[:, 0] = (1 - move) * p[:, 0] + move * np.eye(B)[0]
    return rng.multinomial(n, p).astype(float)


def test_a_table_is_a_pivot():
    rng = np.random.default_rng(0)
    u, w, b = (rng.integers(0, k, 500) for k in (7, 3, 4))
    brute = np.zeros((7, 3, 4))
    np.add.at(brute, (u, w, b), 1)
    assert np.array_equal(table(u, w, b, (7, 3, 4)), brute)
    x = rng.normal(size=500)
    weighted = np.zeros((7, 3, 4))
    np.add.at(weighted, (u, w, b), x)
    assert np.allclose(table(u, w, b, (7, 3, 4), x), weighted)


def test_the_tail_is_chi_square_and_f():
    assert tail(5.0, 1.0, 3.0, 1e9) == pytest.approx(stats.chi2.sf(5.0, 3), rel=1e-6)
    assert tail(6.0, 2.0, 1.0, 20.0) == pytest.approx(stats.f.sf(3.0, 1, 20))
    assert tail(4.0, 1.0, 1.0, 20.0, 4.0) == 1.0  # within the tolerance
    assert tail(3.0, 0.0, 1.0, 20.0) == 0.0  # no variance at all


def test_a_change_at_the_tolerance_alarms_no_more_than_stated():
    """By the triangle inequality: brute force in five dimensions."""
    rng = np.random.default_rng(8)
    true = np.array([0.3, 0.0, 0.0, 0.0, 0.0])
    d = true + 0.1 * rng.normal(size=(20_000, 5))
    Q, tolerance = (d**2).sum(axis=1), 0.09
    p = np.array([tail(q, 0.01, 5.0, 1e9, tolerance) for q in Q])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() <= level
    one = (0.3 + 0.1 * rng.normal(size=20_000)) ** 2  # one dimension: half of it
    p = np.array([tail(q, 0.01, 1.0, 1e9, tolerance) for q in one])
    assert (p <= 0.1).mean() == pytest.approx(0.05, abs=0.006)


def test_false_alarms_of_users_who_differ():
    """150 null tables: 5 % level, counts within what 150 draws give (1 in 1,000)."""
    rng = np.random.default_rng(1)
    tables = [counts(rng) for _ in range(150)]
    most = stats.binom.ppf(0.999, 150, 0.05)
    for test in (share_shift, ks_shift):
        assert sum(test(X).p_value <= 0.05 for X in tables) <= most
    volume = [ratio_shift(X.sum(axis=2)).p_value for X in tables]
    assert sum(p <= 0.05 for p in volume) <= most
    assert np.mean(volume) < 0.65  # and not merely silent
    rows = [
        stats.chi2_contingency(np.stack([X[:, 0].sum(0), X[:, 1:].sum((0, 1))])).pvalue
        for X in tables
    ]
    assert np.mean(np.array(rows) <= 0.05) > 0.3  # rows are not independent


def test_a_move_is_found_and_measured():
    rng = np.random.default_rng(2)
    X = counts(rng, U=800, move=0.15)
    t = share_shift(X)
    direct = psi(X[:, 0].sum(0), X[:, 1:].sum((0, 1)))
    assert t.value == pytest.approx(direct, rel=0.05)
    assert t.p_value < 1e-6 and t.distance > t.critical(0.001)
    assert share_shift(X, tolerance=2 * direct).p_value == 1.0
    k = ks_shift(X)
    assert k.p_value < 1e-4 and k.value > ks_critical(k, 0.001)


def test_the_critical_value_is_where_the_p_value_is_the_level():
    t = share_shift(counts(np.random.default_rng(3)), tolerance=0.01)
    Q = t.critical(0.01)
    unit = t.scale * t.between
    assert tail(Q, unit, t.df, t.between_df, 0.01) == pytest.approx(0.01, rel=1e-6)


def test_weeks_that_differ_raise_the_bar():
    """A shock that all users share: seen only by comparing weeks."""
    rng = np.random.default_rng(4)
    X = counts(rng, U=2000, W=7)
    quiet = ratio_shift(X.sum(axis=2))
    shocks = rng.lognormal(0, 0.15, size=7)
    noisy = ratio_shift(X.sum(axis=2) * shocks)
    assert noisy.between > 3 * quiet.between >= 3
    assert noisy.p_value > 1e-3


def test_ratio_of_totals_and_its_volume():
    n = np.array([[3.0, 2, 2], [5, 4, 6], [1, 2, 1]])
    assert ratio_shift(n).value == pytest.approx(np.log(9 / (17 / 2)))
    m = np.array([[6.0, 4, 4], [9, 9, 9], [3, 3, 3]])
    assert ratio_shift(n, m).value == pytest.approx(np.log((9 / 18) / (17 / 32)))
    same = ratio_shift(n, n)
    assert same.value == 0 and same.p_value == 1.0


def test_users_compared_with_themselves():
    """The same users in both windows: far more precise than two groups of users."""
    rng = np.random.default_rng(5)
    X = counts(rng, U=400, W=2, wander=0.0)
    two = np.zeros((800, 2, X.shape[2]))
    two[:400, 0], two[400:, 1] = X[:, 0], X[rng.permutation(400), 1]
    assert share_shift(X).scale < 0.5 * share_shift(two).scale


def test_few_touched_users_are_counted_exactly():
    brute = stats.hypergeom.sf(4, 50 + 200, 5 + 1, 50)
    assert rare_shift(5, 50, 1, 200) == pytest.approx(brute)
    assert rare_shift(0, 50, 10, 200) == 1.0


@pytest.mark.parametrize(
    ("X", "text"),
    [
        (np.ones((1, 2, 2)), "at least 2"),
        (np.ones((3, 1, 2)), "at least 2"),
        (np.ones((3, 2)), "users, windows, levels"),
        (np.concatenate([np.zeros((3, 1, 2)), np.ones((3, 1, 2))], axis=1), "no rows"),
    ],
)
def test_tables_that_cannot_be_compared(X, text):
    with pytest.raises(ValueError, match=text):
        share_shift(X)
    with pytest.raises(ValueError, match="nothing"):
        ratio_shift(np.ones((3, 2)), np.zeros((3, 2)))
