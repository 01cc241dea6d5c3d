"""M1: approximate search at a counted cost, and the sheet that states it."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_equal,
    expect_finite,
    expect_true,
)

TOP = 100


def _item_vectors(rng, N, D, B):
    """(items (N, D), queries (B, D)): topics, falling scales, unequal lengths."""
    topics, scale = rng.normal(size=(60, D)), np.arange(1, D + 1) ** -0.3

    def draw(n):
        return (topics[rng.integers(0, 60, n)] + 0.8 * rng.normal(size=(n, D))) * scale

    return draw(N) * rng.lognormal(0, 0.15, size=(N, 1)), draw(B)


def _built(answer, X, seed):
    """(the index, how many numbers it holds, how many products reading it is worth).

    Item numbers are free up to two an item; D other numbers count as one product. These
    go back in half precision, or one could hold the codes of a whole vector.
    """
    N, D = X.shape
    index = answer.build_index(X, seed)
    expect_true(type(index) is dict and len(index) > 0, "the index must be a dict")
    short = len(index) <= 50 and max(map(len, index)) <= 40  # or names would hold it
    expect_true(short, "an index has at most 50 arrays, with names of 40 letters")
    numbers = charged = free = 0
    kept = {}
    for name, value in index.items():
        expect_true(type(value) is not str, f"index[{name!r}] must hold numbers")
        array = np.asarray(value)
        expect_true(array.dtype.kind in "iufb", f"index[{name!r}] must hold numbers")
        numbers += array.size
        whole = array.dtype.kind in "iu" and array.size > 0
        if whole and array.min() >= -1 and array.max() <= N:
            free += array.size
        else:
            charged += array.size
            with np.errstate(over="ignore"):
                array = array.astype(np.float16).astype(float)
        kept[name] = array if array.ndim else array.item()
    charged += max(0, free - 2 * N)
    return kept, numbers, charged / D


def _searched(answer, rng, N, D):
    """(recall@100 by query, products by query, numbers that the index holds).

    The vectors and their exact products stay here: a search is told only its index and
    the queries, in a process that has not seen the vectors.
    """
    X, Q = _item_vectors(rng, N, D, 150)
    index, numbers, fixed = _built(answer, X, int(rng.integers(2**31)))
    answer.handed_in.restart()
    got = np.asarray(answer.candidates(index, Q))
    good = got.ndim == 2 and len(got) == len(Q) and got.dtype.kind in "iu"
    expect_true(good, "return whole numbers, one row of candidates a query")
    expect_between(got, -1, N - 1, "a candidate")
    product = Q @ X.T
    best = np.argpartition(-product, TOP - 1, axis=1)[:, :TOP]
    recall, cost = np.zeros((2, len(Q)))
    for b, row in enumerate(got):
        own = np.unique(row[row >= 0])
        recall[b] = np.isin(best[b], own).mean()
        cost[b] = fixed + (row >= 0).sum()
    return recall, cost, numbers


@criterion("q10", points=1, hint="Group like vectors; look into the nearest groups.")
def test_the_search_reaches_the_floor(answer, rng):
    """recall@100 is at least 80 % of exact search's, at a third of its products"""
    N = int(rng.integers(6_000, 7_000))
    recall, cost, _ = _searched(answer, rng, N, 32)
    expect_true(bool(cost.mean() <= N / 3), "it costs more than a third of the scan")
    expect_true(bool(recall.mean() >= 0.8), "recall@100 is below 80 %")


@criterion("q10", points=2, hint="Draw recall against products; take the knee.")
def test_the_search_reaches_the_target(answer, rng):
    """recall@100 is at least 95 % of exact search's, at 30 % of its products"""
    N = int(rng.integers(6_000, 7_000))
    recall, cost, _ = _searched(answer, rng, N, 32)
    expect_true(bool(cost.mean() <= 0.3 * N), "it costs more than 30 % of the scan")
    expect_true(bool(recall.mean() >= 0.95), "recall@100 is below 95 %")


def _sheet(answer, rng, name):
    """(what the sheet states, what was measured) at three sizes."""
    rows = []
    for N, D in ((2_500, 24), (4_000, 40), (7_000, 32)):
        N += int(rng.integers(500))
        got = answer.cost_sheet(N, D)
        expect_true(type(got) is dict and name in got, f"return a dict with {name}")
        expect_equal(np.ndim(got[name]), 0, f"dimensions of {name}")
        expect_finite(got[name], name)
        recall, cost, numbers = _searched(answer, rng, N, D)
        expect_true(bool(recall.mean() >= 0.7), "the index that it describes is poor")
        expect_true(bool(cost.mean() < 0.6 * N), "a scan needs no sheet")
        rows.append((float(got[name]), {"products": cost.mean(), "numbers": numbers}))
    return [(stated, float(found[name])) for stated, found in rows]


@criterion("q10", points=2, hint="Reading the centres costs products too.")
def test_the_sheet_states_the_products(answer, rng):
    """the sheet's products a query are within 20 % of those counted, at three sizes"""
    for stated, found in _sheet(answer, rng, "products"):
        expect_true(abs(stated / found - 1) <= 0.2, "the sheet and the count differ")


@criterion("q10", points=1, hint="Count what the index holds beside the vectors.")
def test_the_sheet_states_the_memory(answer, rng):
    """the sheet's numbers in the index are within 20 % of those counted"""
    for stated, found in _sheet(answer, rng, "numbers"):
        expect_true(abs(stated / found - 1) <= 0.2, "the sheet and the count differ")
