"""Short cuts through the criteria of a project; ATTACKS.md says what each tried."""

import importlib

import numpy as np
import pytest

from streamrec.grading.criteria import LocalAnswer, collect, run
from streamrec.grading.luck import Guess
from streamrec.tracks import milestones


def passed(milestone, functions, seed=50):
    """Names of the criteria of a milestone that an answer passes."""
    part = next(p for p in milestones.PARTS if p.name == milestone)
    module = importlib.import_module(f"streamrec.tracks.criteria.{part.module}")
    names = {f: milestones.reference_of(f) for f in part.functions}
    found = [
        run(c, Guess(functions), seed, reference=LocalAnswer(names))
        for c in collect(module)
    ]
    return {o.criterion.name for o in found if o.passed}


def packed(vectors, seed):
    """Four bits a factor, twelve factors in a number."""
    X = np.asarray(vectors)
    code = np.clip(np.round(X / np.abs(X).max(axis=0) * 7) + 7, 0, 14)
    parts = [code[:, a : a + 12] for a in range(0, X.shape[1], 12)]
    sums = [(p * 16.0 ** np.arange(p.shape[1])).sum(axis=1) for p in parts]
    return {"codes": np.stack(sums, axis=1), "scale": np.abs(X).max(axis=0)}


def unpacked(index, queries):
    """Every item's product with its codes, and the best 250."""
    left, X = np.asarray(index["codes"]), np.zeros((len(index["codes"]), 0))
    D = len(index["scale"])
    for p in range(left.shape[1]):
        digits = np.arange(min(12, D - 12 * p))
        X = np.c_[X, np.floor(left[:, [p]] / 16.0**digits) % 16 - 7]
    return np.argsort(-(queries @ (X * index["scale"]).T), axis=1)[:, :250]


def sheet(n_items, dim):
    parts = -(-dim // 12)
    return {"products": 251 + n_items * parts / dim, "numbers": n_items * parts + dim}


@pytest.mark.filterwarnings("ignore:invalid value")
def test_codes_in_a_number_find_nothing_in_half_precision():
    index = {"build_index": packed, "candidates": unpacked, "cost_sheet": sheet}
    X, Q = np.random.default_rng(1).normal(size=(2, 3_000, 24))
    Q = Q[:20]
    own = unpacked(packed(X, 0), Q)  # the trick itself works
    best = np.argsort(-(Q @ X.T), axis=1)[:, :100]
    assert np.mean([np.isin(b, o).mean() for b, o in zip(best, own)]) > 0.99
    assert passed("M1", index) == set()


def test_a_fixed_share_of_the_items_needs_no_index():
    def some(index, queries):
        return np.tile(np.arange(int(0.3 * index["n"])), (len(queries), 1))

    parts = {"build_index": lambda X, seed: {"n": len(X)}, "candidates": some}
    parts["cost_sheet"] = lambda n, dim: {"products": 0.3 * n, "numbers": 1}
    assert passed("M1", parts) == set()


def test_names_of_arrays_hold_no_vectors():
    parts = {"build_index": lambda X, seed: {X.tobytes().hex()[:9999]: 0}}
    parts |= {"candidates": lambda index, Q: np.zeros((len(Q), 1), dtype=int)}
    parts |= {"cost_sheet": lambda n, dim: {"products": 1, "numbers": 1}}
    assert passed("M1", parts) == set()


@pytest.mark.parametrize("days", [[15, 17], [13, 20], range(0, 30, 3), range(30), []])
def test_pages_by_the_calendar_earn_nothing(days):
    def pages(reference, new, first, last):
        return [first + d for d in days if first + d <= last]

    assert passed("M14", {"pages": pages}) == set()


def test_pages_that_look_ahead_earn_nothing():
    def pages(reference, new, first, last):
        rows = np.bincount(new["day"] - first, minlength=last - first + 1)
        return [] if rows.min() > 100 else [first + int(rows.argmin()), first]

    assert passed("M14", {"pages": pages}) == set()


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.3, 0.5, 1.0])
def test_alarms_by_a_coin_earn_nothing(chance):
    rng = np.random.default_rng(3)

    def find_defects(reference, day, now):
        return ["odd"] if rng.uniform() < chance else []

    for seed in range(4):
        assert passed("M12", {"find_defects": find_defects}, seed) == set()


def test_the_popular_for_everybody_keeps_no_contract():
    def make_lists(users, retrieve, rank, popular, seen, blocked, k, deadline):
        lists = []
        for own in seen:
            never = {*np.asarray(own).tolist(), *np.asarray(blocked).tolist()}
            lists.append([i for i in popular.tolist() if i not in never][:k])
        return {"items": np.array(lists), "fallback": np.ones(len(lists), dtype=bool)}

    assert passed("M9", {"make_lists": make_lists}) == set()


def test_a_model_that_echoes_is_causal_and_worth_nothing():
    def next_scores(train, n_items, new):
        return np.eye(n_items + 1)[new][..., :n_items]

    assert passed("M4", {"next_scores": next_scores}) == set()
