"""Adjusted p-values against statsmodels, definitions and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from streamrec.stats.multiplicity import benjamini_hochberg, bonferroni, holm

P = st.lists(st.floats(0, 1).map(lambda v: round(v, 3)), min_size=1, max_size=25)


@given(P)
def test_equal_statsmodels(p):
    names = {"bonferroni": bonferroni, "holm": holm, "fdr_bh": benjamini_hochberg}
    for name, ours in names.items():
        want = multipletests(p, method=name)[1]
        np.testing.assert_allclose(ours(p), want, rtol=1e-9, atol=1e-12)


@given(P)
def test_order_of_strictness(p):
    b, h, f = bonferroni(p), holm(p), benjamini_hochberg(p)
    assert (b >= h - 1e-12).all() and (h >= f - 1e-12).all()
    assert (f >= np.array(p) - 1e-12).all()
    assert (b <= 1).all()


def test_step_down_by_its_definition():
    p = np.array([0.001, 0.012, 0.014, 0.2])
    alpha, left, rejected = 0.05, list(np.argsort(p)), set()
    while left and p[left[0]] <= alpha / len(left):
        rejected.add(int(left.pop(0)))
    assert set(np.flatnonzero(holm(p) <= alpha).tolist()) == rejected == {0, 1, 2}
    assert set(np.flatnonzero(bonferroni(p) <= alpha).tolist()) == {0, 1}


def test_error_rates():
    """Under 4.5 binomial errors: a false alarm below 1e-5 a line."""
    rng = np.random.default_rng(0)
    R, m, m0 = 2_000, 20, 15
    p = rng.random((R, m))
    p[:, m0:] *= 0.002  # five false nulls
    family = np.mean([(holm(row)[:m0] <= 0.05).any() for row in p])
    assert family < 0.05 + 4.5 * np.sqrt(0.05 * 0.95 / R)
    q = np.array([benjamini_hochberg(row) <= 0.2 for row in p])
    fdp = q[:, :m0].sum(axis=1) / np.maximum(1, q.sum(axis=1))
    assert abs(fdp.mean() - 0.2 * m0 / m) < 4.5 * fdp.std() / np.sqrt(R)


@pytest.mark.parametrize("p", [[], [1.2], [-0.1], [float("nan")], [[0.1]]])
@pytest.mark.parametrize("method", [bonferroni, holm, benjamini_hochberg])
def test_bad_input_is_refused(p, method):
    with pytest.raises(ValueError, match="p-values"):
        method(p)
