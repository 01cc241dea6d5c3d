"""Canon, realism and coverage: smoke tests of what the commands measure in full."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

from streamrec.fairness.metrics import gini
from streamrec.worlds import calibration, coverage, validation
from streamrec.worlds.streaming import StreamingWorld

needs_movielens = pytest.mark.skipif(
    importlib.util.find_spec("recbole") is None, reason="MovieLens is not installed"
)


def test_canon_names_a_setting_unit_and_tolerance_for_every_figure():
    canon = calibration.canon()
    assert canon["version"] == StreamingWorld.version
    for figure in canon["figures"].values():
        assert figure["setting"] in canon["settings"] and figure["unit"]
        assert 0 < figure["tolerance"] <= 0.03


def test_one_small_world_is_near_its_canon():
    """Single worlds vary by a few per cent; ten seeds are the command's business."""
    found = calibration.measure(0, groups=("cells", "slates"))
    canon = calibration.canon()["figures"]
    for name, value in found.items():
        assert value == pytest.approx(canon[name]["value"], rel=0.15), name


@pytest.fixture(scope="module")
def interactions():
    return validation.simulated(0)


@needs_movielens
def test_real_statistics_are_those_of_the_table():
    real = validation.statistics(*validation.movielens())
    for name, band in validation.BANDS.items():
        assert real[name] == pytest.approx(band.real, rel=0.03), name


def test_one_world_lies_near_the_bands_and_the_null_outside(interactions):
    found = validation.statistics(*interactions)
    near = [
        abs(found[k] - b.real) <= 2 * b.tolerance * (b.real if b.relative else 1)
        for k, b in validation.BANDS.items()
        if b.real > 0
    ]
    assert all(near)
    bare = validation.statistics(
        *validation.null(*interactions, np.random.default_rng(0))
    )
    energy = "energy of singular values 1-50"
    assert not validation.BANDS[energy].holds(bare[energy])
    assert not validation.BANDS["NDCG@10, EASE"].holds(bare["NDCG@10, EASE"])


def test_the_null_keeps_both_margins(interactions):
    u, i = validation.null(*interactions, np.random.default_rng(1))
    X, Y = validation.matrix(*interactions), validation.matrix(u, i)
    assert X.nnz == Y.nnz
    for axis in (0, 1):
        np.testing.assert_array_equal(X.sum(axis=axis), Y.sum(axis=axis))


def test_gini_and_clustered_error_against_brute_force():
    rng = np.random.default_rng(0)
    x = rng.gamma(1.0, size=40)
    brute = np.abs(x[:, None] - x).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(brute)
    psi, g = rng.normal(size=30), np.repeat(np.arange(10), 3)
    total = np.array([psi[g == k].sum() for k in range(10)]) - 3 * psi.mean()
    assert coverage.clustered_se(psi, g) == pytest.approx(
        np.sqrt(10 / 9 * (total**2).sum()) / 30
    )


def test_coverage_study_runs_and_counts():
    rows = [coverage.one_world(s, 200, n_users=1_000, n_items=500) for s in range(3)]
    found = coverage.summary(pd.DataFrame(rows))
    assert found["worlds"] == 3
    naive = found["estimators"][0]
    assert naive["estimator"] == "naive" and naive["bias"] > 3
    assert all(0 <= t["covers_PATE"] <= 3 for t in found["estimators"])


def test_the_hold_out_is_the_one_of_the_evaluation(interactions):
    """Popularity by hand: counts, seen items out, ties to the smaller column."""
    X = validation.matrix(*interactions)
    halves = validation.split(X, 0)
    train, T = halves.train.binary.toarray(), halves.test.binary.toarray()
    assert (train + T == X.toarray()).all()
    scores = np.where(train > 0, -np.inf, train.sum(axis=0))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    discount = 1 / np.log2(np.arange(2, 12))
    gain = np.take_along_axis(T, best, axis=1) @ discount
    held = T.sum(axis=1).astype(int)
    ideal = np.concatenate([[0], np.cumsum(discount)])[np.minimum(held, 10)]
    brute = (gain[held > 0] / ideal[held > 0]).mean()
    found = validation.holdout_ndcg(X, ["popularity"])
    assert found == {"popularity": pytest.approx(brute)}
