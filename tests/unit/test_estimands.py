"""Estimands: identities in every sample, bad input named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrec.causal.estimands import (
    NoOverlap,
    decompose,
    naive_difference,
    observed,
    overlap,
    strata_table,
)


@st.composite
def worlds(draw):
    n = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    d = np.zeros(n, dtype=int)
    d[rng.choice(n, draw(st.integers(1, n - 1)), replace=False)] = 1
    return rng.normal(size=n), rng.normal(2, 3, size=n), d


@given(worlds())
def test_decomposition_holds_in_every_sample(world):
    y0, y1, d = world
    parts = decompose(y0, y1, d)
    seen = naive_difference(observed(y0, y1, d), d)
    assert parts.naive == pytest.approx(seen)
    assert parts.naive == pytest.approx(parts.att + parts.selection_bias)
    total = parts.ate + parts.selection_bias + parts.heterogeneity_bias
    assert parts.naive == pytest.approx(total)


@given(worlds())
def test_ate_is_the_mixture_of_att_and_atu(world):
    y0, y1, d = world
    parts = decompose(y0, y1, d)
    p = d.mean()
    assert parts.ate == pytest.approx(p * parts.att + (1 - p) * parts.atu)
    assert parts.ate == pytest.approx(np.mean([b - a for a, b in zip(y0, y1)]))


def test_the_parts_of_a_small_sample_by_hand():
    parts = decompose([1.0, 2.0, 4.0, 0.0], [4.0, 3.0, 4.0, 5.0], [1, 0, 0, 1])
    assert parts.naive == pytest.approx(4.5 - 3.0)
    assert (parts.att, parts.atu, parts.ate) == pytest.approx((4.0, 0.5, 2.25))
    assert parts.selection_bias == pytest.approx(0.5 - 3.0)
    assert parts.treated_share == 0.5
    assert parts.heterogeneity_bias == pytest.approx(0.5 * 3.5)
    uneven = decompose([1.0, 2.0, 4.0, 0.0], [4.0, 3.0, 4.0, 5.0], [1, 0, 0, 0])
    assert uneven.heterogeneity_bias == pytest.approx(0.75 * (3.0 - 2.0))


def test_overlap_of_equal_propensities_is_full():
    d = np.array([0, 1] * 10)
    report = overlap(np.full(20, 0.3), d)
    assert report.effective_treated == pytest.approx(1)
    assert report.effective_control == pytest.approx(1)
    assert report.outside == 0


def test_effective_share_by_brute_force():
    rng = np.random.default_rng(0)
    e = rng.uniform(0.02, 0.98, 200)
    d = (rng.uniform(size=200) < e).astype(int)
    w = [1 / p for p, t in zip(e, d) if t]
    want = sum(w) ** 2 / (len(w) * sum(x * x for x in w))
    assert overlap(e, d).effective_treated == pytest.approx(want)
    w = [1 / (1 - p) for p, t in zip(e, d) if not t]
    want = sum(w) ** 2 / (len(w) * sum(x * x for x in w))
    assert overlap(e, d).effective_control == pytest.approx(want)
    assert overlap(e, d).outside == pytest.approx(np.mean((e < 0.05) | (e > 0.95)))
    wide = overlap(e, d, trim=0.2)
    assert wide.outside == pytest.approx(np.mean((e < 0.2) | (e > 0.8)))
    assert (wide.lowest, wide.highest) == (e.min(), e.max())


def test_strata_table_keeps_empty_groups_visible():
    table = strata_table([1.0, 2.0, 5.0, 9.0], [1, 0, 1, 1], ["a", "a", "b", "b"])
    assert table.loc["a", "difference"] == -1
    assert np.isnan(table.loc["b", "difference"])
    assert table["n"].tolist() == [2, 2] and table["treated"].tolist() == [1, 2]


def test_strata_table_drops_no_unit():
    strata = [1.0, 1.0, np.nan, np.nan]
    table = strata_table([1.0, 2.0, 5.0, 9.0], [1, 0, 0, 1], strata)
    assert table["n"].sum() == 4
    assert table["difference"].tolist() == [-1, 4]


@pytest.mark.parametrize(
    ("y", "d", "message"),
    [
        ([1.0, 2.0], [1, 2], "must be 0 or 1"),
        ([1.0, np.nan], [1, 0], "1 missing"),
        ([1.0, 2.0], [1, 0, 1], "shape"),
        ([[1.0], [2.0]], [1, 0], "shape"),
    ],
)
def test_bad_input_is_named(y, d, message):
    with pytest.raises(ValueError, match=message):
        naive_difference(y, d)


def test_no_overlap_is_its_own_error():
    with pytest.raises(NoOverlap, match="no control"):
        naive_difference([1.0, 2.0], [1, 1])
    with pytest.raises(NoOverlap, match="no treated"):
        naive_difference([1.0, 2.0], [0, 0])
    with pytest.raises(NoOverlap, match="propensity 0 or 1"):
        overlap([0.0, 0.5], [0, 1])
    with pytest.raises(NoOverlap, match="1 units have propensity 0 or 1"):
        overlap([0.5, 1.0], [0, 1])


def test_what_is_no_propensity_is_refused():
    with pytest.raises(ValueError, match="pass probabilities"):
        overlap([0.2, 1.3], [0, 1])
    with pytest.raises(ValueError, match="pass probabilities"):
        overlap([-0.2, 0.3], [0, 1])
    with pytest.raises(ValueError, match="trim"):
        overlap([0.2, 0.3], [0, 1], trim=0.5)


def test_constant_outcome_warns_and_is_zero():
    with pytest.warns(UserWarning, match="constant"):
        assert naive_difference([2.0, 2.0, 2.0], [1, 0, 0]) == 0
