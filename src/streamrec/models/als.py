"""Explicit ALS: ratings as biases plus an inner product, by alternating ridge.

The batches of rows defined here serve the implicit model too: rows with similar counts
are stacked into small dense arrays, so that one NumPy call works on many users.
Shapes: B rows in a batch, m stored entries in its longest row, D factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from streamrec.models.base import MatrixRecommender, find_rows

BATCH_CELLS = 4096  # (row, entry) pairs in a batch: their factors stay in cache


def row_batches(
    R: sp.csr_matrix, least: int = 1, cells: int = BATCH_CELLS
) -> Iterator[NDArray[np.intp]]:
    """Non-empty rows of R, sorted by count, in batches of at most ``cells`` cells.

    A batch of B rows costs B * max(m, least) cells, m its largest count; a row that is
    larger than ``cells`` alone makes its own batch.

    >>> R = sp.csr_matrix([[1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 1]])
    >>> [rows.tolist() for rows in row_batches(R, cells=3)]
    [[0, 3], [1]]
    """
    n = np.diff(R.indptr)
    order = np.argsort(n, kind="stable")
    order = order[n[order] > 0]
    width = np.maximum(n[order], least)
    start = 0
    while start < len(order):
        ahead = width[start : start + cells // width[start] + 1]
        fits = (np.arange(1, len(ahead) + 1) * ahead <= cells).sum()
        stop = start + max(1, int(fits))
        yield order[start:stop]
        start = stop


def padded(
    R: sp.csr_matrix, rows: NDArray[np.intp], fill: float = 0.0
) -> tuple[NDArray[np.int32], NDArray[Any], NDArray[Any]]:
    """Rows of a CSR matrix as dense arrays (B, m): columns, values, mask.

    Short rows are padded: column 0, value ``fill``, mask 0.

    >>> padded(sp.csr_matrix([[0.0, 2.0, 3.0], [0.0, 5.0, 0.0]]), np.array([0, 1]))[1]
    array([[2., 3.],
           [5., 0.]])
    """
    first, last = R.indptr[rows], R.indptr[rows + 1]
    at = first[:, None] + np.arange((last - first).max())  # (B, m)
    real = at < last[:, None]
    at[~real] = 0
    columns = np.where(real, R.indices[at], 0)
    values = np.where(real, R.data[at], R.dtype.type(fill))
    return columns, values, real.astype(R.dtype)


# derivation
def ridge_rows(
    R: sp.csr_matrix, target: NDArray[Any], Y: NDArray[Any], lam: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Best bias and factors of every row, the other side fixed: (M,) and (M, D).

    R (M, N) CSR gives the pattern, target (nnz,) what is left to explain of its stored
    values, Y (N, D) the other side's factors. With Z_u the n_u rows [1, y_i'] of the
    items that u rated and t_u their targets, each user solves a ridge regression:

        (Z_u'Z_u + lam n_u I) w_u = Z_u't_u,   w_u = [b_u, x_u].

    Rows without entries get zeros. Derived with the normal equations of explicit ALS.

    >>> R = sp.csr_matrix([[1.0, 1.0]])
    >>> ridge_rows(R, np.array([2.0, 4.0]), np.zeros((2, 1)), 0.5)[0]
    array([2.])
    """
    T = sp.csr_matrix((target, R.indices, R.indptr), shape=R.shape)
    Z = np.column_stack([np.ones(len(Y)), Y])  # (N, D+1)
    K = Z.shape[1]
    W = np.zeros((R.shape[0], K))
    for rows in row_batches(T, least=K):
        columns, t, real = padded(T, rows)
        n = real.sum(axis=1)
        Zu = Z[columns] * real[:, :, None]  # (B, m, D+1)
        A = Zu.transpose(0, 2, 1) @ Zu + lam * n[:, None, None] * np.eye(K)
        rhs = (t[:, None, :] @ Zu)[:, 0]  # (B, D+1)
        W[rows] = np.linalg.solve(A, rhs[:, :, None])[:, :, 0]
    return W[:, 0], W[:, 1:]


@dataclass(eq=False)
class ALS(MatrixRecommender):
    """Rating model r_ui = mu + b_u + b_i + x_u'y_i + error, fitted by ALS.

    Minimises, over the observed ratings,

        sum (r_ui - mu - b_u - b_i - x_u'y_i)^2
            + lam sum_u n_u (b_u^2 + ||x_u||^2) + lam sum_i n_i (b_i^2 + ||y_i||^2)

    with mu the mean rating and n_u, n_i the counts: a penalty by count is the same
    strength for every rating. Each half-step solves its block exactly (``ridge_rows``),
    so the objective never rises; objective_ (iterations,) records it.

    factors: D. lam: penalty a rating. iterations: full sweeps. seed: start of Y.
    After fit: mu_, bu_ (M,), bi_ (N,), X_ (M, D), Y_ (N, D), objective_.

    Source: Zhou et al. (2008), Large-scale parallel collaborative filtering for the
    Netflix Prize (penalty by count); Koren, Bell and Volinsky (2009) (biases).

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> df = pd.DataFrame({"user": [1, 1, 2], "item": [5, 6, 5], "value": [4, 2, 5]})
    >>> model = ALS(factors=1).fit(Interactions.from_frame(df))
    >>> bool((np.diff(model.objective_) <= 0).all())
    True
    """

    factors: int = 20
    lam: float = 0.1
    iterations: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.factors < 1 or self.iterations < 1 or self.lam <= 0:
            raise ValueError("ALS needs factors >= 1, iterations >= 1 and lam > 0")

    def _fit(self, R: sp.csr_matrix) -> None:
        (M, N), D = R.shape, self.factors
        rng = np.random.default_rng(self.seed)
        u = np.repeat(np.arange(M), np.diff(R.indptr))  # user of each stored rating
        i, r = R.indices, R.data
        to_items = np.argsort(i, kind="stable")  # stored order of R' in R's entries
        Rt = sp.csr_matrix(
            (
                r[to_items],
                u[to_items],
                np.append(0, np.bincount(i, minlength=N).cumsum()),
            ),
            shape=(N, M),
        )
        self.mu_ = float(r.mean())
        self.bi_, self.Y_ = np.zeros(N), 0.1 * rng.standard_normal((N, D))
        history = []
        for _ in range(self.iterations):
            rest = r - self.mu_ - self.bi_[i]
            self.bu_, self.X_ = ridge_rows(R, rest, self.Y_, self.lam)
            rest = (r - self.mu_ - self.bu_[u])[to_items]
            self.bi_, self.Y_ = ridge_rows(Rt, rest, self.X_, self.lam)
            history.append(self._objective(u, i, r))
        self.objective_ = np.array(history)
        self.range_ = np.array([r.min(), r.max()])

    # derivation
    def _objective(
        self, u: NDArray[Any], i: NDArray[Any], r: NDArray[np.float64]
    ) -> float:
        """The quantity that fit lowers; a user's n_u ratings repeat its penalty."""
        bu, bi, X, Y = self.bu_[u], self.bi_[i], self.X_[u], self.Y_[i]
        error = r - self.mu_ - bu - bi - np.einsum("nd,nd->n", X, Y)
        penalty = bu**2 + bi**2 + (X**2).sum(axis=1) + (Y**2).sum(axis=1)
        return float((error**2 + self.lam * penalty).sum())

    def predict(self, users: ArrayLike, items: ArrayLike) -> NDArray[np.float64]:
        """Predicted ratings of pairs (users[n], items[n]): (n,), in the rating's unit.

        An unknown user or item contributes nothing, so two unknowns predict mu_.
        Predictions are clipped to the range of the training ratings.

        Raises ValueError when users and items differ in length.
        """
        self._check_fitted()
        users, items = np.atleast_1d(users), np.atleast_1d(items)
        if users.shape != items.shape:
            raise ValueError(f"{users.shape[0]} users but {items.shape[0]} items")
        u, i = find_rows(self.users_, users), find_rows(self.items_, items)
        both = (u >= 0) & (i >= 0)
        r = self.mu_ + (u >= 0) * self.bu_[u] + (i >= 0) * self.bi_[i]
        r += both * np.einsum("nd,nd->n", self.X_[u], self.Y_[i])
        return np.clip(r, *self.range_)

    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        known = self.mu_ + self.bu_[rows][:, None] + self.bi_  # (B, N)
        return known + self.X_[rows] @ self.Y_.T
