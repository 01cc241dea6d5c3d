"""How Track A ranks: candidates, the listwise loss, probabilities, honest judging."""

import numpy as np
import pytest
from scipy import sparse
from shop_sales import shop

from streamrec.data.interactions import Interactions
from streamrec.evaluation import ranking
from streamrec.models.ease import EASE
from streamrec.models.popularity import Popularity
from streamrec.tracks import a_rank


def test_standardised_scores_have_mean_0_and_sd_1_over_what_may_be_shown():
    rng = np.random.default_rng(0)
    S, hidden = rng.normal(3, 5, (4, 30)), rng.random((4, 30)) < 0.3
    Z = a_rank.standardise(S, hidden)
    for z, h in zip(Z, hidden, strict=True):
        assert np.isneginf(z[h]).all()
        assert z[~h].mean() == pytest.approx(0) and z[~h].std() == pytest.approx(1)
    flat = a_rank.standardise(np.ones((1, 5)), np.zeros((1, 5), bool))
    assert (flat == 0).all()


def lists(rng, B=6, n=5, S=3):
    start = np.arange(0, B * n + 1, n)
    y = np.zeros(B * n)
    y[start[:-1] + rng.integers(n, size=B)] = 1
    y[1] = 1
    item = np.concatenate([np.sort(rng.choice(20, n, replace=False)) for _ in range(B)])
    Z = rng.normal(size=(B * n, S))
    X = np.column_stack([rng.random((B * n, 2)), np.ones(B * n)])
    return a_rank.Candidates(start, item, Z, Z > 0, X), y


def test_the_listwise_loss_is_the_cross_entropy_and_its_gradient_is_right():
    rng = np.random.default_rng(1)
    c, y = lists(rng)
    w, lam = rng.normal(size=3), 0.01
    loss, g = a_rank.listwise(w, c.Z, y, c.start[:-1], lam)
    total = 0.0
    for b in range(6):
        rows = slice(c.start[b], c.start[b + 1])
        s = c.Z[rows] @ w
        p, q = np.exp(s) / np.exp(s).sum(), y[rows] / y[rows].sum()
        total -= q @ np.log(p) / 6
    assert loss == pytest.approx(total + lam * w @ w)
    for j, e in enumerate(np.eye(3) * 1e-6):
        up = a_rank.listwise(w + e, c.Z, y, c.start[:-1], lam)[0]
        down = a_rank.listwise(w - e, c.Z, y, c.start[:-1], lam)[0]
        assert g[j] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-8)


def test_a_blend_finds_the_source_that_knows_and_drops_one_that_misleads():
    rng = np.random.default_rng(2)
    c, y = lists(rng, B=200)
    Z = np.column_stack([2 * y + rng.normal(size=len(y)), rng.normal(size=len(y)), -y])
    c = a_rank.Candidates(c.start, c.item, Z, c.found, c.X)
    w = a_rank.Blend().fit(c, y).w_
    assert w[0] > 1 and w[0] > 5 * w[1] and w[2] == 0
    assert a_rank.Blend((1,)).fit(c, y).w_[[0, 2]].tolist() == [0, 0]


def test_order_and_quality_are_those_of_each_list():
    rng = np.random.default_rng(3)
    c, y = lists(rng)
    relevant = sparse.csr_matrix((y, (c.user, c.item)), shape=(6, 20))
    assert (a_rank.labels(c, relevant) == y).all()
    score = np.round(rng.normal(size=len(y)), 1)  # ties go to the smaller item
    items, values = a_rank.order(c, score, 7)
    for b in range(6):
        rows = np.arange(c.start[b], c.start[b + 1])
        best = sorted(rows, key=lambda r: (-score[r], c.item[r]))
        assert items[b].tolist() == [*c.item[best], -1, -1]
        assert np.isneginf(values[b, 5:]).all()
    hits, n = ranking.find_hits(items, relevant)
    assert np.allclose(a_rank.quality(c, score, relevant, 7), ranking.ndcg(hits, n))
    part = c.take(np.array([4, 1]))
    assert part.item.tolist() == [*c.item[20:25], *c.item[5:10]]
    assert part.start.tolist() == [0, 5, 10]


def test_candidates_are_the_best_unseen_items_of_every_source():
    x = Interactions.from_frame(shop(), "client", "sku", "when")
    models = {"popularity": Popularity().fit(x), "EASE": EASE(50.0).fit(x)}
    users = x.users[[5, 0, 9]]
    seen = x.binary[x.user_rows(users)]
    c = a_rank.find(models, users, seen, x, 4)
    for b, user in enumerate(users):
        mine = c.item[c.start[b] : c.start[b + 1]]
        want = set()
        for s, m in enumerate(models.values()):
            top = set(x.item_rows(m.recommend([user], 4).items[0]))
            found = set(mine[c.found[c.start[b] : c.start[b + 1], s]])
            assert top <= found  # and whatever ties with the last
            want |= found
        assert set(mine) == want and not want & set(seen[b].indices)
    only = sparse.csr_matrix((np.ones(2), ([0, 2], [3, 7])), shape=(3, x.n_items))
    known = a_rank.find(models, users, sparse.csr_matrix(only.shape), x, 4, only)
    assert known.item.tolist() == [3, 7] and known.start.tolist() == [0, 1, 1, 2]


def test_probabilities_follow_the_score_and_are_right_on_average():
    rng = np.random.default_rng(4)
    score, history = rng.normal(size=20_000), rng.random(20_000)
    p = 1 / (1 + np.exp(-(score + history - 2)))
    y = (rng.random(20_000) < p).astype(float)
    model = a_rank.Platt().fit(score, history, y)
    assert np.abs(model.probability(score, history) - p).mean() < 0.01
    high, low = model.probability(np.array([1.0, 0.9]), np.array([0.5, 0.5]))
    assert high > low


def test_a_ranker_is_judged_on_users_it_did_not_see():
    rng = np.random.default_rng(5)
    c, y = lists(rng, B=8)

    class Spy:
        def fit(self, c, y):
            self.known = {tuple(z) for z in c.Z}
            return self

        def score(self, c):
            assert not any(tuple(z) in self.known for z in c.Z)
            return c.Z[:, 0]

    half = a_rank.halves(c, 0)
    assert half.sum() == 4
    assert (a_rank.crossed(Spy, c, y, half) == c.Z[:, 0]).all()
