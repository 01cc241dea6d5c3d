"""Identities of the models: fast = brute force, closed form = iteration, and so on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from recommender_conformance import random_frame
from scipy.linalg import cho_factor, cho_solve

from streamrec.data.interactions import Interactions
from streamrec.models.als import ALS, padded, ridge_rows, row_batches
from streamrec.models.base import find_rows, presence, top_k
from streamrec.models.ease import EASE, ease_weights
from streamrec.models.implicit_als import (
    ImplicitALS,
    objective,
    solve_cg,
    solve_exact,
    solve_unweighted,
)
from streamrec.models.item_knn import ItemKNN, cosine_rows
from streamrec.models.svd import PureSVD, truncated_svd


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def train():
    return Interactions.from_frame(random_frame())


def confidences(rng, M=25, N=14, density=0.35, low=1.0):
    """Random CSR of confidences from ``low`` to 6; row 3 is empty."""
    C = np.where(rng.random((M, N)) < density, rng.uniform(low, 6, (M, N)), 0)
    C[3] = 0
    return sp.csr_matrix(C)


# Top k.


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.data())
def test_top_k_is_a_stable_sort(B, N, data):
    k = data.draw(st.integers(1, N))
    few = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])  # many ties
    S = np.array(
        data.draw(
            st.lists(st.lists(few, min_size=N, max_size=N), min_size=B, max_size=B)
        )
    )
    columns, values = top_k(S, k)
    for row, c, v in zip(S, columns, values, strict=True):
        assert c.tolist() == sorted(range(N), key=lambda i: (-row[i], i))[:k]
        assert np.array_equal(v, row[c])


@pytest.mark.parametrize("k", [0, 4])
def test_top_k_refuses_impossible_k(k):
    with pytest.raises(ValueError, match="between 1 and the 3 columns"):
        top_k(np.zeros((2, 3)), k)


def test_top_k_takes_the_whole_row():
    assert top_k([[1.0, 3.0, 2.0]], 3)[0].tolist() == [[1, 2, 0]]


def test_find_rows_refuses_text_among_numbers():
    with pytest.raises(TypeError, match="ids are numbers, those asked for are text"):
        find_rows(np.array([1, 2]), np.array(["1"]))
    assert find_rows(np.array([1, 2]), np.array([2.0, 3.5])).tolist() == [1, -1]


def test_presence_forgets_values_and_keeps_stored_zeros():
    R = sp.csr_matrix((np.array([0.0, 5.0]), ([0, 1], [0, 1])), shape=(2, 3))
    assert presence(R).toarray().tolist() == [[1, 0, 0], [0, 1, 0]]


# Item-kNN.


@pytest.mark.parametrize("shrink", [0.0, 3.0])
def test_cosine_is_brute_force(rng, shrink):
    R = presence(confidences(rng))
    D = R.toarray()
    S = cosine_rows(R, np.arange(R.shape[1]), shrink)
    for i in range(R.shape[1]):
        for j in range(R.shape[1]):
            norms = np.linalg.norm(D[:, i]) * np.linalg.norm(D[:, j])
            expect = 0.0 if i == j else D[:, i] @ D[:, j] / (norms + shrink)
            assert S[i, j] == pytest.approx(expect, rel=1e-12)


def test_cosine_of_items_with_a_single_common_user_is_one():
    R = sp.csr_matrix([[1.0, 1.0, 0.0]])  # and an item that nobody used
    assert cosine_rows(R, np.arange(3)).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("block", [4, 512])
def test_item_knn_is_brute_force(train, monkeypatch, block):
    monkeypatch.setattr("streamrec.models.item_knn.BLOCK", block)
    model, R = ItemKNN(k=3, shrink=0.5).fit(train), train.binary.toarray()
    expect = np.zeros(train.shape)
    for j in range(train.n_items):
        s = [
            0.0
            if i == j
            else R[:, i] @ R[:, j] / (np.sqrt(R[:, i].sum() * R[:, j].sum()) + 0.5)
            for i in range(train.n_items)
        ]
        for i in sorted(range(train.n_items), key=lambda i: (-s[i], i))[:3]:
            expect[:, i] += R[:, j] * s[i]
    assert np.allclose(model.score(train.users), expect, rtol=1e-12)
    assert (np.diff(model.similarity_.indptr) <= 3).all()


# EASE.


def test_ease_is_constrained_least_squares(rng):
    """Column by column: regress r_j on all other columns with a ridge penalty."""
    R, lam = presence(confidences(rng)).toarray(), 1.7
    B = ease_weights(R.T @ R, lam)
    N = R.shape[1]
    assert (np.diag(B) == 0).all()
    for j in range(N):
        rest = np.delete(np.arange(N), j)
        A = np.vstack([R[:, rest], np.sqrt(lam) * np.eye(N - 1)])
        b = np.append(R[:, j], np.zeros(N - 1))
        assert np.allclose(B[rest, j], np.linalg.lstsq(A, b)[0], rtol=1e-9)


def test_ease_scores_are_r_times_b(train):
    model = EASE(lam=2.0).fit(train)
    assert np.allclose(model.score(train.users), train.binary.toarray() @ model.B_)


def test_ease_learns_from_presence_not_value(train):
    doubled = Interactions(
        train.users,
        train.items,
        train.user_index,
        train.item_index,
        value=2 * train.value,
    )
    a, b = EASE(lam=2.0).fit(train), EASE(lam=2.0).fit(doubled)
    assert np.array_equal(a.B_, b.B_)


# SVD.


@pytest.mark.parametrize("D", [1, 3, 14])
def test_truncated_svd_is_numpy(rng, D):
    R = confidences(rng)
    U, s, V = truncated_svd(R, D)
    U0, s0, Vt0 = np.linalg.svd(R.toarray(), full_matrices=False)
    assert np.allclose(s, s0[:D], rtol=1e-10)
    assert np.allclose((U * s) @ V.T, (U0[:, :D] * s0[:D]) @ Vt0[:D], atol=1e-9)
    assert np.allclose(U.T @ U, np.eye(D), atol=1e-10)


def test_truncated_svd_fixes_the_signs(rng):
    R = confidences(rng)
    for D in (3, 14):
        V = truncated_svd(R, D)[2]
        assert (V[np.abs(V).argmax(axis=0), np.arange(D)] > 0).all()


def test_truncated_svd_does_not_depend_on_the_start(rng):
    R = confidences(rng)
    for a, b in zip(
        truncated_svd(R, 3, seed=0), truncated_svd(R, 3, seed=1), strict=True
    ):
        assert np.allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("D", [0, 15])
def test_truncated_svd_refuses_impossible_ranks(rng, D):
    with pytest.raises(ValueError, match="rank must be between 1 and 14"):
        truncated_svd(confidences(rng), D)


def test_pure_svd_scores_are_the_low_rank_matrix(train):
    U, s, Vt = np.linalg.svd(train.binary.toarray(), full_matrices=False)
    model = PureSVD(factors=4).fit(train)
    expect = (U[:, :4] * s[:4]) @ Vt[:4]
    assert np.allclose(model.score(train.users), expect, atol=1e-9)
    assert np.allclose(model.singular_values_, s[:4])


def test_pure_svd_caps_its_rank(train):
    assert PureSVD(factors=500).fit(train).V_.shape == (train.n_items, train.n_items)


# Batches.


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.integers(1, 40),
    st.integers(1, 12),
)
def test_batches_hold_every_row_once_within_the_budget(counts, cells, least):
    indptr = np.append(0, np.cumsum(counts))
    R = sp.csr_matrix(
        (np.ones(indptr[-1]), np.arange(indptr[-1]) % 9, indptr), (len(counts), 9)
    )
    batches = list(row_batches(R, least, cells))
    rows = np.concatenate([np.array([], dtype=int), *batches])
    assert sorted(rows.tolist()) == [u for u, n in enumerate(counts) if n]
    for b in batches:
        width = max(least, max(counts[u] for u in b))
        assert len(b) == 1 or len(b) * width <= cells


def test_batches_are_as_full_as_they_may_be():
    R = sp.csr_matrix(np.ones((10, 4)))
    assert [len(b) for b in row_batches(R, cells=12)] == [3, 3, 3, 1]
    assert [len(b) for b in row_batches(R, least=6, cells=12)] == [2] * 5


def test_padding_holds_the_rows(rng):
    C = confidences(rng)
    rows = np.array([5, 0, 9])
    columns, values, real = padded(C, rows, fill=1.0)
    assert columns.shape == values.shape == real.shape
    for b, u in enumerate(rows):
        n = C.indptr[u + 1] - C.indptr[u]
        assert columns[b, :n].tolist() == C[u].indices.tolist()
        assert values[b, :n].tolist() == C[u].data.tolist()
        assert (columns[b, n:] == 0).all() and (values[b, n:] == 1).all()
        assert real[b].tolist() == [1.0] * n + [0.0] * (real.shape[1] - n)


# Explicit ALS.


def test_ridge_rows_is_least_squares(rng):
    R, lam = confidences(rng), 0.3
    Y = rng.standard_normal((14, 4))
    target = rng.standard_normal(R.nnz)
    b, X = ridge_rows(R, target, Y, lam)
    for u in range(25):
        mine = slice(R.indptr[u], R.indptr[u + 1])
        Z = np.column_stack([np.ones(len(target[mine])), Y[R.indices[mine]]])
        n = len(Z)
        A = np.vstack([Z, np.sqrt(lam * n) * np.eye(5)])
        w = np.linalg.lstsq(A, np.append(target[mine], np.zeros(5)))[0]
        assert np.allclose(np.append(b[u], X[u]), w, rtol=1e-8, atol=1e-12)


def test_als_objective_never_rises(train):
    history = ALS(factors=4, lam=0.02, iterations=40).fit(train).objective_
    assert history.shape == (40,)
    assert (np.diff(history) <= 1e-10 * history[0]).all()
    assert history[-1] < 0.9 * history[0]


def test_als_objective_is_brute_force(train):
    m = ALS(factors=3, iterations=3).fit(train)
    total = 0.0
    for u, i, r in zip(train.user_index, train.item_index, train.value, strict=True):
        error = r - m.mu_ - m.bu_[u] - m.bi_[i] - m.X_[u] @ m.Y_[i]
        penalty = m.bu_[u] ** 2 + m.bi_[i] ** 2 + m.X_[u] @ m.X_[u] + m.Y_[i] @ m.Y_[i]
        total += error**2 + m.lam * penalty
    assert m.objective_[-1] == pytest.approx(total, rel=1e-10)


def test_als_ends_at_a_stationary_point(train):
    """Once converged, the gradient with respect to every block vanishes."""
    m = ALS(factors=2, lam=0.3, iterations=400).fit(train)
    R = train.matrix
    u = np.repeat(np.arange(R.shape[0]), np.diff(R.indptr))
    i = R.indices
    error = R.data - m.mu_ - m.bu_[u] - m.bi_[i] - (m.X_[u] * m.Y_[i]).sum(axis=1)
    for rows, own, other in ((u, m.X_, m.Y_[i]), (i, m.Y_, m.X_[u])):
        n = np.bincount(rows)[:, None]
        gradient = m.lam * n * own
        np.add.at(gradient, rows, -error[:, None] * other)
        assert np.abs(gradient).max() < 1e-4
    assert m.mu_ == pytest.approx(R.data.mean())


def test_als_recovers_ratings_of_low_rank(rng):
    M, N = 40, 30
    full = 3 + rng.standard_normal((M, 1)) @ rng.standard_normal((1, N))
    held = rng.random((M, N)) < 0.2
    u, i = np.nonzero(~held)
    frame = pd.DataFrame({"user": u, "item": i, "value": full[u, i]})
    model = ALS(factors=2, lam=1e-4, iterations=60).fit(Interactions.from_frame(frame))
    u, i = np.nonzero(held)
    inside = (full[u, i] > full[~held].min()) & (full[u, i] < full[~held].max())
    error = (model.predict(u, i) - full[u, i])[inside]
    assert np.sqrt((error**2).mean()) < 0.1 * full.std()


def test_als_predictions_of_unknowns_and_clipping(train):
    m = ALS(factors=3).fit(train)
    known_u, known_i = train.users[2], train.items[5]
    got = m.predict([-1, known_u, -1, known_u], [-1, -1, known_i, known_i])
    whole = m.mu_ + m.bu_[2] + m.bi_[5]
    expect = [m.mu_, m.mu_ + m.bu_[2], m.mu_ + m.bi_[5], whole + m.X_[2] @ m.Y_[5]]
    assert np.allclose(got, np.clip(expect, 1, 5))
    everything = m.predict(
        np.repeat(train.users, train.n_items), np.tile(train.items, train.n_users)
    )
    assert everything.min() >= 1 and everything.max() <= 5
    assert np.allclose(np.clip(m.score(train.users), 1, 5).ravel(), everything)


def test_als_refuses_unequal_pairs(train):
    with pytest.raises(ValueError, match="2 users but 1 items"):
        ALS(factors=2, iterations=1).fit(train).predict([100, 101], [0])


# Implicit ALS.


def test_exact_is_the_normal_equations(rng):
    C, lam = confidences(rng), 0.7
    Y = rng.standard_normal((14, 5))
    X = solve_exact(C, Y, lam)
    for u, row in enumerate(C.toarray()):
        c, p = np.where(row > 0, row, 1.0), row > 0
        A = Y.T @ np.diag(c) @ Y + lam * np.eye(5)
        assert np.allclose(
            X[u], np.linalg.solve(A, Y.T @ (c * p)), rtol=1e-9, atol=1e-12
        )


def test_exact_does_not_depend_on_the_batches(rng, monkeypatch):
    C, Y = confidences(rng), rng.standard_normal((14, 5))
    whole = solve_exact(C, Y, 0.7)
    monkeypatch.setattr("streamrec.models.als.row_batches.__defaults__", (1, 6))
    assert np.allclose(solve_exact(C, Y, 0.7), whole, rtol=1e-12)


def test_unweighted_is_exact_at_confidence_one(rng):
    C, Y = presence(confidences(rng)), rng.standard_normal((14, 5))
    a, b = solve_unweighted(C, Y, 0.7), solve_exact(C, Y, 0.7)
    assert np.allclose(a, b, rtol=1e-9, atol=1e-12)


def test_unweighted_is_ridge_regression_of_the_dense_matrix(rng):
    C, Y = presence(confidences(rng)), rng.standard_normal((14, 5))
    ridge = cho_solve(cho_factor(Y.T @ Y + 0.7 * np.eye(5)), Y.T @ C.toarray().T).T
    assert np.allclose(solve_unweighted(C, Y, 0.7), ridge)


def test_weighted_is_repeated(rng):
    """Confidence c on an observed pair is the pair written down c times."""
    Y = rng.standard_normal((6, 3))
    c = np.array([3, 1, 2])
    C = sp.csr_matrix((c.astype(float), ([0, 0, 0], [0, 2, 5])), shape=(1, 6))
    rows = np.concatenate([np.repeat([0, 2, 5], c), [1, 3, 4]])
    p = np.isin(rows, [0, 2, 5]).astype(float)
    A = np.vstack([Y[rows], np.sqrt(0.4) * np.eye(3)])
    expect = np.linalg.lstsq(A, np.append(p, np.zeros(3)))[0]
    assert np.allclose(solve_exact(C, Y, 0.4)[0], expect)


@pytest.mark.parametrize("start", ["zero", "random"])
def test_conjugate_gradient_converges_to_exact(rng, start):
    C, Y = confidences(rng), rng.standard_normal((14, 5))
    X = np.zeros((25, 5)) if start == "zero" else rng.standard_normal((25, 5))
    exact = solve_exact(C, Y, 0.7)
    errors = [
        np.abs(solve_cg(C, Y, X, 0.7, steps) - exact).max() for steps in (1, 3, 5)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-9  # D steps are exact
    assert np.allclose(solve_cg(C, Y, X, 0.7, 60), exact, atol=1e-9)


def test_each_conjugate_gradient_step_lowers_the_objective(rng):
    C, Y, X = (
        confidences(rng),
        rng.standard_normal((14, 5)),
        rng.standard_normal((25, 5)),
    )
    values = [objective(C, X, Y, 0.7)]
    values += [
        objective(C, solve_cg(C, Y, X, 0.7, steps), Y, 0.7) for steps in range(1, 6)
    ]
    assert (np.diff(values) < 1e-9).all()
    assert values[-1] == pytest.approx(objective(C, solve_exact(C, Y, 0.7), Y, 0.7))


def test_one_conjugate_gradient_step_is_steepest_descent(rng):
    C, Y, X = (
        confidences(rng),
        rng.standard_normal((14, 4)),
        rng.standard_normal((25, 4)),
    )
    got = solve_cg(C, Y, X, 0.7, steps=1)
    row = C.toarray()[0]
    c = np.where(row > 0, row, 1.0)
    A = Y.T @ np.diag(c) @ Y + 0.7 * np.eye(4)
    r = Y.T @ (c * (row > 0)) - A @ X[0]
    assert np.allclose(got[0], X[0] + (r @ r) / (r @ A @ r) * r)


def test_objective_is_brute_force(rng):
    C = confidences(rng)
    X, Y = rng.standard_normal((25, 3)), rng.standard_normal((14, 3))
    D = C.toarray()
    c, p, S = np.where(D > 0, D, 1.0), D > 0, X @ Y.T
    expect = (c * (p - S) ** 2).sum() + 0.7 * ((X**2).sum() + (Y**2).sum())
    assert objective(C, X, Y, 0.7) == pytest.approx(expect, rel=1e-12)


def test_exact_solution_is_a_minimum(rng):
    C, Y = confidences(rng), rng.standard_normal((14, 3))
    X = solve_exact(C, Y, 0.7)
    best = objective(C, X, Y, 0.7)
    for _ in range(10):
        assert objective(C, X + 0.01 * rng.standard_normal(X.shape), Y, 0.7) > best


@pytest.mark.parametrize(
    "change", [{"alpha": 0.0}, {"alpha": 5.0}, {"alpha": 5.0, "solver": "exact"}]
)
def test_implicit_objective_never_rises(train, change):
    values = []
    for sweeps in range(1, 12):
        m = ImplicitALS(
            factors=4, lam=0.3, iterations=sweeps, dtype="float64", **change
        )
        m.fit(train)
        values.append(objective(m.confidence(train.matrix), m.X_, m.Y_, 0.3))
    assert (np.diff(values) <= 1e-10 * values[0]).all()
    assert values[-1] < 0.9 * values[0]


def test_solvers_agree_when_converged(train):
    common = {
        "factors": 2,
        "lam": 2.0,
        "alpha": 3.0,
        "iterations": 300,
        "dtype": "float64",
    }
    a = ImplicitALS(solver="exact", **common).fit(train)
    b = ImplicitALS(solver="cg", **common).fit(train)
    assert np.allclose(a.score(train.users), b.score(train.users), atol=1e-5)


def test_single_and_double_precision_agree(train):
    common = {"factors": 3, "lam": 0.5, "alpha": 3.0, "iterations": 10}
    a = ImplicitALS(dtype="float64", **common).fit(train)
    b = ImplicitALS(dtype="float32", **common).fit(train)
    assert b.X_.dtype == b.Y_.dtype == np.float32
    assert np.allclose(a.score(train.users), b.score(train.users), atol=1e-3)


def test_confidence_is_one_plus_alpha_r(train):
    R = train.matrix
    model = ImplicitALS(alpha=2.0, values=True, dtype="float64")
    assert np.array_equal(model.confidence(R).data, 1 + 2 * R.data)
    plain = ImplicitALS(alpha=2.0, dtype="float64").confidence(R)
    assert np.array_equal(plain.data, np.full(R.nnz, 3.0))


def test_negative_values_have_no_confidence():
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "value": [-1.0, 2.0]})
    train = Interactions.from_frame(frame)
    with pytest.raises(ValueError, match="r >= 0"):
        ImplicitALS(values=True, alpha=1.0).fit(train)
    ImplicitALS(factors=2).fit(train)  # presence only: nothing to refuse


# Settings out of range.


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (ItemKNN, {"k": 0}),
        (ItemKNN, {"shrink": -1.0}),
        (EASE, {"lam": 0.0}),
        (PureSVD, {"factors": 0}),
        (ALS, {"factors": 0}),
        (ALS, {"iterations": 0}),
        (ALS, {"lam": 0.0}),
        (ImplicitALS, {"factors": 0}),
        (ImplicitALS, {"iterations": 0}),
        (ImplicitALS, {"cg_steps": 0}),
        (ImplicitALS, {"lam": 0.0}),
        (ImplicitALS, {"alpha": -0.5}),
        (ImplicitALS, {"solver": "sgd"}),
        (ImplicitALS, {"dtype": "int8"}),
    ],
)
def test_settings_out_of_range_are_refused(model, wrong):
    with pytest.raises(ValueError):
        model(**wrong)


def test_ease_weights_refuses_no_penalty():
    with pytest.raises(ValueError, match="lam must be positive"):
        ease_weights(np.eye(2), 0.0)


# Files.


def test_load_refuses_another_model_and_another_format(train, tmp_path, monkeypatch):
    path = EASE().fit(train).save(tmp_path / "ease.npz")
    with pytest.raises(ValueError, match="holds a EASE in format 1; PureSVD"):
        PureSVD.load(path)
    monkeypatch.setattr("streamrec.models.base.FORMAT", 2)
    with pytest.raises(ValueError, match="format 2"):
        EASE.load(path)


def test_a_failed_save_leaves_the_old_file(train, tmp_path, monkeypatch):
    model = EASE().fit(train)
    path = model.save(tmp_path / "ease.npz")
    before = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_save_before_fit(tmp_path):
    with pytest.raises(ValueError, match="call fit first"):
        EASE().save(tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())
