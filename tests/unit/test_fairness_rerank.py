"""Exposure-aware re-ranking against brute force, duality and bad input."""

import itertools

import numpy as np
import pandas as pd
import pytest

from streamrec.fairness import rerank as r
from streamrec.fairness.metrics import gini, position_weights
from streamrec.protocols import Recommendations, Reranker


def lists(seed=0, B=400, L=20, shares=(0.7, 0.2, 0.1), tilt=0.8):
    """Group 0 is common and scores higher: exposure is concentrated."""
    rng = np.random.default_rng(seed)
    G = len(shares)
    groups = pd.Series(rng.permuted(np.arange(300) % G), index=np.arange(300) + 1000)
    weight = np.array(shares)[groups] / groups.map(groups.value_counts())
    items = np.array(
        [
            rng.choice(groups.index, L, replace=False, p=weight / weight.sum())
            for _ in range(B)
        ]
    )
    scores = rng.normal(size=(B, L)) - tilt * groups.to_numpy()[items - 1000]
    order = np.argsort(-scores, axis=1)
    take = np.take_along_axis
    return Recommendations(
        np.arange(B), take(items, order, 1), take(scores, order, 1)
    ), groups


def exposure(rec, groups, k=10):
    g = groups.loc[rec.items[:, :k].ravel()].to_numpy()
    E = np.bincount(g, weights=np.tile(position_weights(k), len(rec.items)))
    return E / len(rec.items)


def test_meets_target_at_a_price_within_the_bound():
    rec, groups = lists()
    fair = r.ExposureReranker(groups, target=0.2).fit(rec)
    out = fair.rerank(rec, 10)
    assert isinstance(fair, Reranker)
    assert gini(exposure(rec, groups)) == pytest.approx(fair.gini_before_)
    assert gini(exposure(out, groups)) == pytest.approx(fair.gini_)
    assert fair.gini_ <= 0.2 < fair.gini_before_
    assert fair.utility_ <= fair.bound_ + 1e-9
    loss = fair.utility_before_ - fair.utility_
    assert fair.bound_ - fair.utility_ < 0.03 * loss + 1e-3
    boost = fair.boost_.loc[groups.loc[out.items.ravel()]].to_numpy()
    score = (out.scores - boost.reshape(out.scores.shape)) @ position_weights(10)
    assert score.mean() == pytest.approx(fair.utility_)


@pytest.mark.parametrize("target", [0.35, 0.25, 0.15])
@pytest.mark.parametrize("seed", range(3))
def test_boosts_come_close_to_the_best_mixture(seed, target):
    """One boost a group gives away less than 6 % of the price of the target."""
    rec, groups = lists(seed, B=1500)
    fair = r.ExposureReranker(groups, target=target).fit(rec)
    price = fair.utility_before_ - fair.bound_
    assert fair.gini_ <= target
    assert 0 < price <= fair.utility_before_ - fair.utility_ < 1.06 * price


def test_a_fit_that_fails_leaves_no_boosts_behind():
    rec, groups = lists(B=20)
    fair = r.ExposureReranker(groups, target=0.3).fit(rec)
    fair.target = 0.0
    common = np.isin(rec.items, groups.index[groups == 0])
    only = np.where(common, rec.items, groups.index[groups == 0][0])
    with pytest.raises(r.TargetNotReached, match="lowest found"):
        fair.fit(Recommendations(rec.users, only, rec.scores))
    assert np.isnan([fair.gini_, fair.utility_, fair.bound_]).all()
    with pytest.raises(ValueError, match="call fit"):
        fair.rerank(rec, 3)


def test_a_target_that_only_a_mixture_reaches_is_said():
    """One list, one place: either group has it; half and half needs two lists."""
    rec = Recommendations(np.array([0]), np.array([[1, 2]]), np.array([[2.0, 1.0]]))
    fair = r.ExposureReranker(pd.Series(["a", "b"], index=[1, 2]), target=0.2, k=1)
    with pytest.warns(UserWarning, match="needs a mixture"):
        fair.fit(rec)
    assert fair.gini_ == 0.5
    assert fair.bound_ == pytest.approx(2.0 - 0.3)  # at most 7/10 to the better item


def test_nothing_is_added_and_the_order_is_descending():
    rec, groups = lists(1)
    out = r.ExposureReranker(groups, target=0.1).fit(rec).rerank(rec, 5)
    assert all(set(a) <= set(b) for a, b in zip(out.items, rec.items, strict=True))
    assert all(len(set(row)) == 5 for row in out.items)
    assert (np.diff(out.scores, axis=1) <= 0).all()
    assert (out.users == rec.users).all()


def test_fair_lists_are_left_alone():
    rec, groups = lists()
    fair = r.ExposureReranker(groups, target=0.9).fit(rec)
    assert (fair.boost_ == 0).all()
    assert fair.bound_ == fair.utility_ == fair.utility_before_
    assert (fair.rerank(rec, 10).items == rec.items[:, :10]).all()


@pytest.mark.parametrize("seed", range(5))
def test_best_response_by_trying_every_order(seed):
    rng = np.random.default_rng(seed)
    s, g = rng.normal(size=(1, 5)), rng.integers(0, 3, (1, 5))
    boost, v = rng.normal(size=3), position_weights(3)
    d = r._Lists(s, g, np.ones(3), v)
    U, E = r.best_response(d, boost)
    brute = max(
        v @ (s[0] + boost[g[0]])[list(p)] for p in itertools.permutations(range(5), 3)
    )
    assert U + boost @ E == pytest.approx(brute)


@pytest.mark.parametrize("target", [0.05, 0.2, 0.35])
def test_optimum_by_enumerating_every_ranking(target):
    """Two short lists: the programme over all 36 pairs of orders, without prices."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(4)
    s, g = -np.sort(-rng.normal(size=(2, 3)), axis=1), np.array([[0, 0, 1], [0, 1, 1]])
    n, v = np.array([2.0, 3.0]), position_weights(3)
    U, X = [], []
    for p, q in itertools.product(itertools.permutations(range(3)), repeat=2):
        order = np.array([p, q])
        w = np.take_along_axis(g, order, 1)
        U.append((np.take_along_axis(s, order, 1) @ v).mean())
        X.append(np.bincount(w.ravel(), np.tile(v, 2), minlength=2) / 2 / n)
    U, X = np.array(U), np.array(X)
    d, total = X[:, 0] - X[:, 1], X.sum(axis=1)
    A = np.array([d - 2 * target * total, -d - 2 * target * total])
    want = linprog(-U, A_ub=A, b_ub=[0, 0], A_eq=np.ones((1, 36)), b_eq=[1])
    items = np.array([[0, 1, 2], [3, 4, 5]])
    groups = pd.Series(g.ravel(), index=range(6))
    fair = r.ExposureReranker(groups, pd.Series(n, index=[0, 1]), target=target, k=3)
    rec = Recommendations(np.arange(2), items, s)
    if want.status != 0:
        with pytest.raises(r.TargetNotReached):
            fair.fit(rec)
        return
    fair.tol = 1e-9
    try:
        fair.fit(rec)
    except r.TargetNotReached:
        pytest.fail("a mixture reaches the target")
    assert fair.bound_ == pytest.approx(-want.fun, abs=1e-6)


def test_past_exposure_is_paid_back():
    rec, groups = lists(2)
    fair = r.ExposureReranker(groups, target=0.35)
    alone = fair.fit(rec)._arrays(rec)
    _, E = r.best_response(alone, np.zeros(3))
    past = pd.Series(E * len(rec.users), index=[0, 1, 2])
    boost = fair.boost_.to_numpy().copy()
    fair.fit(rec, past=past)
    assert fair.gini_ <= 0.35 + 1e-9
    out = fair.rerank(rec, 10)
    n = fair.supply.to_numpy(float)
    assert gini((E + exposure(out, groups)) / n) == pytest.approx(fair.gini_)
    assert np.ptp(fair.boost_) > np.ptp(boost)
    assert gini(exposure(out, groups) / n) < 0.35


def test_frontier_is_monotone_and_keeps_impossible_rows():
    rec, groups = lists(3, B=150)
    table = r.frontier(rec, groups, [0.5, 0.4, 0.3, 0.2, 0.1])
    assert (table["gini"] <= table["target"] + 1e-9).all()
    assert (np.diff(table["bound"]) <= 1e-9).all()
    assert (table["least_loss"] <= table["loss"] + 1e-9).all()
    only = Recommendations(
        rec.users[:1], np.array([[1000, 1001]]), np.array([[1.0, 0.0]])
    )
    groups = groups.copy()
    groups.loc[[1000, 1001]] = 0
    assert r.frontier(only, groups, [0.1], k=2)["gini"].isna().all()


def test_padding_exposes_nobody():
    rec, groups = lists(5, B=50)
    items, scores = rec.items.copy(), rec.scores.copy()
    items[:, 8:], scores[:, 8:] = -1, -np.inf
    padded = Recommendations(rec.users, items, scores)
    fair = r.ExposureReranker(groups, target=0.7).fit(padded)
    out = fair.rerank(padded, 10)
    assert (out.valid.sum(axis=1) == 8).all()
    short = Recommendations(rec.users, items[:, :8], scores[:, :8])
    again = r.ExposureReranker(groups, target=0.7).fit(short)
    assert again.gini_before_ == pytest.approx(fair.gini_before_)


def bad():
    rec, groups = lists(B=5)
    nan = Recommendations(rec.users, rec.items, rec.scores * np.nan)
    empty = Recommendations(rec.users, rec.items, np.full(rec.scores.shape, -np.inf))
    other = Recommendations(rec.users, rec.items + 10_000, rec.scores)
    make = r.ExposureReranker
    ok = make(groups).fit(rec)
    return [
        (lambda: make(groups, target=1.0), "in \\[0, 1\\)"),
        (lambda: make(groups, k=0), "at least 1"),
        (lambda: make(pd.concat([groups, groups])), "two groups"),
        (lambda: make(groups.where(groups > 0)), "items have no group"),
        (lambda: make(groups, pd.Series({0: 3, 1: 2})), "item in supply: 2"),
        (lambda: make(groups, pd.Series({0: 3, 1: 2, 2: 0})), "without an eligible"),
        (lambda: make(groups * 0), "two groups"),
        (lambda: make(groups).rerank(rec, 3), "call fit"),
        (lambda: ok.rerank(rec, 0), "k must lie"),
        (lambda: make(groups).fit(nan), "finite"),
        (lambda: make(groups).fit(empty), "padding"),
        (
            lambda: make(groups).fit(other),
            "100 listed items|listed items have no group",
        ),
        (lambda: make(groups).fit(rec, past=pd.Series({0: 1.0})), "every group"),
    ]


@pytest.mark.parametrize("case", range(13))
def test_bad_input_is_named(case):
    call, message = bad()[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_the_order_of_the_groups_does_not_matter():
    rec, groups = lists()
    fair = r.ExposureReranker(groups, target=0.2).fit(rec)
    turned = r.ExposureReranker(groups.max() - groups, target=0.2).fit(rec)
    price = fair.utility_before_ - fair.bound_
    assert turned.bound_ == pytest.approx(fair.bound_, abs=0.02 * price)
    assert turned.gini_ <= 0.2


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_the_scores_does_not_matter(unit):
    rec, groups = lists()
    fair = r.ExposureReranker(groups, target=0.2).fit(rec)
    scaled = Recommendations(rec.users, rec.items, unit * rec.scores)
    again = r.ExposureReranker(groups, target=0.2).fit(scaled)
    price = fair.utility_before_ - fair.bound_
    assert again.bound_ / unit == pytest.approx(fair.bound_, abs=0.02 * price)
    assert again.gini_ <= 0.2


class Watched(r.ExposureReranker):
    """Keeps what the first programme was given, and what it returned."""

    def _price(self, d, x, scale, target, found):
        before, given = len(found), (d, x, scale)
        out = super()._price(d, x, scale, target, found)
        if not hasattr(self, "seen"):
            self.seen = *given, len(found) - before, *out
        return out


def test_the_bound_is_the_least_of_those_asked_for():
    rec, groups = lists()
    fair = Watched(groups, target=0.2, sweeps=3, tol=0.0).fit(rec)
    d, x, scale, asked, mus, bound = fair.seen
    assert asked == 5  # one price in the first sweep, two in each of the others
    worth = []
    for mu in mus:
        U, E = r.best_response(d, mu)
        worth.append(U + (mu * d.supply / scale) @ x(E))
    assert bound == pytest.approx(min(worth), rel=1e-12)
    assert worth[0] == pytest.approx(bound, rel=1e-12)
