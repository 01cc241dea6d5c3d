"""Reference answers of chapter 5, Computational Complexity and Scalability.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 5


import numpy as np

rng = np.random.default_rng(SEED)


def least_seconds(B, N, D, bytes_each, peak, bandwidth):
    """Least seconds of B queries against N items by the roofline."""
    if min(B, N, D, bytes_each, peak, bandwidth) <= 0:
        raise ValueError("sizes and rates must be positive")
    moved = bytes_each * (B * D + N * D + B * N)
    return max(2 * B * N * D / peak, moved / bandwidth)


def plan(times, factors, steps):
    """Which stages to improve, in order, and the whole's speed-up after each."""
    now, factors = np.array(times, float), np.asarray(factors, float)
    if steps > len(now) or (factors <= 1).any():
        raise ValueError("at most one step a stage, and factors above 1")
    start, order, speedups = now.sum(), [], []
    for _ in range(steps):
        gain = now * (1 - 1 / factors)
        gain[order] = -1.0                                 # a stage improves once
        order.append(int(gain.argmax()))
        now[order[-1]] /= factors[order[-1]]
        speedups.append(float(start / now.sum()))
    return {"order": order, "speedups": speedups}


def best_of_blocks(q, blocks, k):
    """Rows (k,) and scores (k,) of the best of all blocks, best first."""
    rows, scores, start = np.empty(0, int), np.empty(0), 0
    for block in blocks:
        n = len(block)
        rows = np.concatenate([rows, np.arange(start, start + n)])
        scores = np.concatenate([scores, np.asarray(block).reshape(n, len(q)) @ q])
        keep = np.lexsort((rows, -scores))[:k]
        rows, scores, start = rows[keep], scores[keep], start + n
    return rows, scores


def two_levels(N, P):
    """The best number of groups A and of cells C, and the least work W."""
    g = (P * P * N) ** (1 / 3)
    return g, g * g / P, 3 * g


def tie_recall(found, scores, k):
    """Share of k places filled by items as good as the k-th best."""
    scores = np.asarray(scores)
    ids = np.unique(np.asarray(found))
    ids = ids[ids >= 0]
    bar = np.sort(scores)[-k]
    return float(min(1.0, (scores[ids] >= bar).sum() / k))


def conservative(places, w):
    """Counters (d, w) of a Count-Min sketch with conservative update.

    By induction every counter of a stays >= f_a: its estimate was >= f_a before, and
    its counters are raised to at least one more. A counter is raised by at most one,
    and only where Count-Min raises it by one, so it never exceeds Count-Min's.
    """
    places = np.asarray(places)
    d = places.shape[1]
    table, row = np.zeros((d, w), int), np.arange(d)
    for columns in places:
        now = table[row, columns]
        table[row, columns] = np.maximum(now, now.min() + 1)
    return table


def coin_variance(x, m):
    """Variance of |Rx|^2 for a coin matrix R with m rows."""
    x = np.asarray(x, float)
    return float(2 / m * ((x @ x) ** 2 - (x**4).sum()))


def encode(X, books):
    """Codes (n, m): the nearest codebook entry of each part."""
    m, _, width = books.shape
    parts = np.asarray(X).reshape(len(X), m, 1, width)
    return ((parts - books) ** 2).sum(axis=3).argmin(axis=2)


def decode(codes, books):
    """The vectors (n, D) that codes stand for."""
    m = books.shape[0]
    return books[np.arange(m), np.asarray(codes)].reshape(len(codes), -1)


def scores(q, codes, books):
    """Inner products (n,) of q with the decoded vectors, by tables."""
    m, _, width = books.shape
    table = np.einsum("mkw,mw->mk", books, np.asarray(q).reshape(m, width))
    return table[np.arange(m), np.asarray(codes)].sum(axis=1)


def work(n, D, m, K):
    """Multiplications of scores for n items: the table's, and none for an item."""
    return K * D
