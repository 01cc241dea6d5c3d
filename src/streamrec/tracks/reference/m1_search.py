"""M1: approximate search at a counted cost: cells of spherical k-means.

N items, D factors, K cells, B queries.
"""

import numpy as np

SHARE = 0.22  # of the items are candidates
STEPS = 8  # of k-means


def _cells(n_items):
    return int(n_items**0.5)


def build_index(vectors, seed):
    """{"centres": (K, D), "cell": (N,)}: each item's cell."""
    X, rng = np.asarray(vectors, float), np.random.default_rng(seed)
    Z = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    K = _cells(len(Z))
    C = Z[rng.choice(len(Z), K, replace=False)]
    for _ in range(STEPS):
        cell = (Z @ C.T).argmax(axis=1)
        S = np.zeros_like(C)
        np.add.at(S, cell, Z)
        norm = np.linalg.norm(S, axis=1, keepdims=True)
        C = np.where(norm > 0, S / np.maximum(norm, 1e-12), C)
    return {"centres": C, "cell": (Z @ C.T).argmax(axis=1)}


def candidates(index, queries):
    """(B, m) item numbers: those of the nearest cells, m of them."""
    C, cell = np.asarray(index["centres"]), np.asarray(index["cell"])
    m = int(SHARE * len(cell))
    near = np.argsort(-(np.asarray(queries) @ C.T), axis=1, kind="stable")
    place = np.argsort(near, axis=1)  # (B, K): a cell's rank for a query
    order = np.argsort(place[:, cell], axis=1, kind="stable")
    return order[:, :m]


def cost_sheet(n_items, dim):
    """{"products": a query, "numbers": in the index} of an index over n_items."""
    K = _cells(n_items)
    return {"products": K + int(SHARE * n_items), "numbers": K * dim + n_items}
