"""Divergences against SciPy and brute force; the null law of PSI by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.spatial.distance import jensenshannon

from streamrec.stats import divergences as d

weights = st.lists(st.floats(0.01, 10), min_size=2, max_size=6)


def pair(seed, k):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k))


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_equal_to_scipy(seed, k):
    p, q = pair(seed, k)
    assert d.entropy(p) == pytest.approx(stats.entropy(p))
    assert d.entropy(7 * p, base=2) == pytest.approx(stats.entropy(p, base=2))
    assert d.kl(p, q) == pytest.approx(stats.entropy(p, q))
    assert d.js(p, q) == pytest.approx(jensenshannon(p, q) ** 2)
    assert d.psi(p, q) == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p))
    assert d.psi(p, q) == pytest.approx(((p - q) * np.log(p / q)).sum())


@given(weights)
def test_divergence_is_zero_from_itself_and_never_negative(w):
    assert d.kl(w, w) == pytest.approx(0, abs=1e-12)
    assert d.kl(w, w[::-1]) >= -1e-12
    assert 0 <= d.js(w, w[::-1]) + 1e-12 <= np.log(2) + 2e-12


def test_rows_of_a_stack_and_zero_weights():
    P = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(d.entropy(P), [np.log(2), stats.entropy(P[1])])
    assert d.kl(P[0], P[1]) == pytest.approx(stats.entropy(P[0], P[1]))
    assert np.isinf(d.kl(P[1], P[0])) and np.isinf(d.psi(*P))
    assert d.js([1, 0], [0, 1]) == pytest.approx(np.log(2))


def test_merging_outcomes_never_raises_a_divergence():
    for seed in range(50):
        p, q = pair(seed, 6)
        merge = np.eye(3)[np.random.default_rng(seed).integers(0, 3, 6)]  # (6, 3)
        merge = merge[:, merge.sum(0) > 0]
        assert d.kl(p @ merge, q @ merge) <= d.kl(p, q) + 1e-12
        assert d.psi(p @ merge, q @ merge) <= d.psi(p, q) + 1e-12


def test_normal_kl_against_quadrature_and_by_simulation():
    m0, v0, m1, v1 = 0.3, 0.8, -0.5, 2.0
    f, g = stats.norm(m0, v0**0.5), stats.norm(m1, v1**0.5)
    area, _ = integrate.quad(lambda x: f.pdf(x) * (f.logpdf(x) - g.logpdf(x)), -12, 12)
    assert d.kl_normal(m0, v0, m1, v1) == pytest.approx(area, rel=1e-8)
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(2, 3, 3))
    S0, S1 = A @ A.T + np.eye(3), B @ B.T + 2 * np.eye(3)
    mu0, mu1 = rng.normal(size=(2, 3))
    F, G = stats.multivariate_normal(mu0, S0), stats.multivariate_normal(mu1, S1)
    x = F.rvs(200_000, random_state=1)
    gap = F.logpdf(x) - G.logpdf(x)
    assert abs(d.kl_normal(mu0, S0, mu1, S1) - gap.mean()) < 5 * stats.sem(gap)
    assert d.kl_normal(mu0, S0, mu0, S0) == pytest.approx(0, abs=1e-12)


def test_codes_are_a_count_by_hand():
    rng = np.random.default_rng(3)
    x = np.r_[rng.normal(size=200), [np.nan] * 3]
    edges = d.quantile_edges(x, 5)
    assert len(edges) == 4
    by_hand = [
        sum((lo <= v < hi) for v in x)
        for lo, hi in zip(np.r_[-np.inf, edges], np.r_[edges, np.inf])
    ]
    counts = d.bin_counts(x, edges)
    assert counts.tolist() == [*by_hand, 3]
    assert counts[:5].tolist() == [40] * 5
    np.testing.assert_array_equal(np.bincount(d.bin_codes(x, edges)), counts)


def test_edges_of_ties_merge():
    assert d.quantile_edges([0] * 90 + [1] * 10, 10).size <= 1
    x = np.array([0.0] * 50 + [1.0] * 50)
    assert d.bin_counts(x, d.quantile_edges(x, 10)).tolist() == [50, 50, 0]
    assert d.quantile_edges([2.0, 2.0], 10).size == 0


@pytest.mark.parametrize("fixed", [True, False])
def test_null_law_of_the_index(fixed):
    # 5 standard errors: about one false alarm in a million runs
    rng = np.random.default_rng(5)
    n, m, reps = 2_000, 1_000, 600
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    values = np.array(
        [
            d.psi_test(
                rng.normal(size=n), rng.normal(size=m), edges=edges if fixed else None
            ).value
            for _ in range(reps)
        ]
    )
    null = d.PSINull(10, n, m)
    assert null.mean == pytest.approx(9 * (1 / n + 1 / m))
    assert abs(values.mean() / null.mean - 1) < 0.02 + 5 * np.sqrt(2 / 9 / reps)
    share = (values > null.critical(0.1)).mean()
    assert abs(share - 0.1) < 0.01 + 5 * np.sqrt(0.09 / reps)
    assert null.exceeds(null.critical(0.1)) == pytest.approx(0.1)


def test_power_of_the_null_and_under_a_shift():
    null = d.PSINull(10, 1_000, 1_000)
    assert null.power(0.0, null.critical(0.05)) == pytest.approx(0.05, abs=1e-6)
    rng = np.random.default_rng(8)
    p = np.full(10, 0.1)
    q = p * np.exp(0.15 * np.linspace(-1, 1, 10))
    q /= q.sum()
    draws = [
        d.psi(rng.multinomial(1_000, p), rng.multinomial(1_000, q)) for _ in range(800)
    ]
    expected = null.power(float(d.psi(p, q)), 0.03)
    got = np.mean(np.array(draws) > 0.03)
    assert 0.2 < expected < 0.8
    assert abs(got - expected) < 0.03 + 5 * np.sqrt(0.25 / 800)
    wider = d.PSINull(10, 1_000, 1_000, design_effect=4.0)
    assert wider.mean == pytest.approx(4 * null.mean)
    assert wider.critical() == pytest.approx(4 * null.critical())


def test_a_test_of_two_samples():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=4_000), rng.normal(size=3_000) + 0.3
    result = d.psi_test(x, y)
    edges = np.quantile(x, np.arange(1, 10) / 10, method="higher")
    p = np.diff(np.r_[0, [(x < e).mean() for e in edges], 1])
    q = np.diff(np.r_[0, [(y < e).mean() for e in edges], 1])
    assert result.value == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert result.p_value < 1e-6 and "PSI" in str(result)
    assert result.excess == pytest.approx(result.value - 9 * (1 / 4000 + 1 / 3000))
    # a bin that one sample never visits is smoothed, not infinite
    empty = d.psi_test([0.0, 1.0] * 20, [0.0] * 40, edges=[0.5])
    p, q = np.array([20.5, 20.5]) / 41, np.array([40.5, 0.5]) / 41
    assert empty.value == pytest.approx(((p - q) * np.log(p / q)).sum())
    # missing values are a bin
    gaps = d.psi_test(np.r_[x, [np.nan] * 400], np.r_[y, [np.nan] * 30])
    assert gaps.null.bins == 11


@pytest.mark.parametrize(
    "call",
    [
        lambda: d.entropy([]),
        lambda: d.entropy([0, 0]),
        lambda: d.entropy([1, -1]),
        lambda: d.entropy([1, np.nan]),
        lambda: d.kl([1, 2], [1, 2, 3]),
        lambda: d.kl_normal(0, -1, 0, 1),
        lambda: d.kl_normal([0, 0], np.eye(2), 0, 1),
        lambda: d.quantile_edges([1, 2], 1),
        lambda: d.quantile_edges([np.nan]),
        lambda: d.bin_counts([[1.0]], [0.5]),
        lambda: d.bin_counts([1.0], [0.5, 0.5]),
        lambda: d.PSINull(1, 10, 10),
        lambda: d.PSINull(3, 0, 10),
        lambda: d.PSINull(3, 10, 10, design_effect=0),
        lambda: d.PSINull(3, 10, 10).power(-1, 0.1),
        lambda: d.psi_test([], [1.0]),
        lambda: d.psi_test([1.0, 1.0], [1.0]),
    ],
)
def test_bad_input_is_refused_in_words(call):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        call()
