"""Bayesian personalised ranking: a taken item should outscore one not taken.

For a triple (u, i, j), user u took i and did not take j; s_ui = x_u'y_i + b_i and

    d = s_ui - s_uj,      loss = -log sigma(d),      sigma(d) = 1 / (1 + exp(-d)).

With w = sigma(-d), the chance the model gives to the wrong order,

    dx_u = -w (y_i - y_j),   dy_i = -w x_u,   dy_j = w x_u,   db_i = -w,   db_j = w.

A penalty lam/2 (|x_u|^2 + |y_i|^2 + |y_j|^2 + b_i^2 + b_j^2) goes with each *triple*,
so a user is shrunk in proportion to the interactions it has. Chapter 2 derives all
this, and what the law of j does: with i from p_u and j from q the population optimum
is s_ui = log p_u(i) - log q(i) + constant.

Source: Rendle, Freudenthaler, Gantner and Schmidt-Thieme (2009), BPR: Bayesian
personalized ranking from implicit feedback.
Shapes: M users, N items, D factors, B triples in a mini-batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import expit

from streamrec.models.base import MatrixRecommender, require_positive
from streamrec.models.optimizers import Adam

Floats = NDArray[Any]
Rows = NDArray[np.intp]


# derivation
def pairwise_loss(
    X: Floats, Y: Floats, b: Floats, u: Rows, i: Rows, j: Rows
) -> NDArray[np.float64]:
    """-log sigma(d) of each triple, without overflow: (B,).

    >>> x, y = np.ones((1, 1)), np.zeros((2, 1))
    >>> one = np.array([0])
    >>> float(pairwise_loss(x, y, np.zeros(2), one, one, one + 1).round(4)[0])
    0.6931
    """
    d = (X[u] * (Y[i] - Y[j])).sum(axis=1) + b[i] - b[j]
    return np.logaddexp(0, -d.astype(np.float64))


# derivation
def triple_gradients(
    X: Floats, Y: Floats, b: Floats, u: Rows, i: Rows, j: Rows, lam: float
) -> tuple[Floats, Floats, Floats]:
    """Sum over the triples of the gradients, penalty included: dX, dY, db.

    Rows that occur in several triples add up (a sparse product does the scattering).

    >>> z = np.array([0])
    >>> x, y = np.ones((1, 1)), np.array([[1.0], [1.0]])
    >>> dX, dY, db = triple_gradients(x, y, np.zeros(2), z, z, z + 1, 0.0)
    >>> dX.tolist(), dY.tolist(), db.tolist()
    ([[0.0]], [[-0.5], [0.5]], [-0.5, 0.5])
    """
    Xu, Yi, Yj = X[u], Y[i], Y[j]  # (B, D)
    apart = Yi - Yj
    w = expit(-((Xu * apart).sum(axis=1) + b[i] - b[j]))  # (B,)
    wX = w[:, None] * Xu
    dX = _add_rows(u, lam * Xu - w[:, None] * apart, len(X))
    dY = _add_rows(
        np.concatenate([i, j]), np.concatenate([lam * Yi - wX, lam * Yj + wX]), len(Y)
    )
    ends = np.concatenate([lam * b[i] - w, lam * b[j] + w])
    db = np.bincount(np.concatenate([i, j]), ends, len(b)).astype(b.dtype)
    return dX, dY, db


def _add_rows(rows: Rows, values: Floats, size: int) -> Floats:
    """Sum of the rows of values (B, D) by their number in rows: (size, D)."""
    place = np.arange(len(rows) + 1)
    ones = np.ones(len(rows), values.dtype)
    return sp.csc_matrix((ones, rows, place), shape=(size, len(rows))) @ values


@dataclass(eq=False)
class BPR(MatrixRecommender):
    """Matrix factorisation that learns the order of pairs; see the module's equations.

    factors: D. eta: step size of Adam, which falls in a straight line to a tenth of it.
    lam: penalty of each triple. epochs: passes over the interactions, one triple each.
    batch: triples in a step. negatives: law of j, "uniform" over the catalogue or
    "popularity" (in proportion to interactions); items the user took are drawn again,
    and after ten draws the triple is left out. bias: learn b (else 0).
    seed: start N(0, 0.1^2), order and draws. All arithmetic in float32.
    After fit: X_ (M, D), Y_ (N, D), b_ (N,), loss_ (epochs,) mean loss of the triples
    drawn in each pass, before the step that used them.

    Raises ValueError for settings out of range.

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> df = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": list("abacb")})
    >>> model = BPR(factors=2, epochs=50).fit(Interactions.from_frame(df))
    >>> bool(model.loss_[-1] < model.loss_[0])
    True
    """

    factors: int = 64
    eta: float = 0.02
    lam: float = 0.01
    epochs: int = 30
    batch: int = 2048
    negatives: str = "uniform"
    bias: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive(self, "factors", "epochs", "batch", "eta")
        if not self.lam >= 0:
            raise ValueError(f"lam must be >= 0, not {self.lam}")
        if self.negatives not in ("uniform", "popularity"):
            raise ValueError(
                f"negatives must be 'uniform' or 'popularity', not {self.negatives!r}"
            )

    def _fit(self, R: sp.csr_matrix) -> None:
        rng, (M, N) = np.random.default_rng(self.seed), R.shape
        users = np.repeat(np.arange(M), np.diff(R.indptr))
        items = R.indices.astype(np.intp)
        X, Y = (0.1 * rng.standard_normal((n, self.factors)) for n in (M, N))
        X, Y, b = X.astype(np.float32), Y.astype(np.float32), np.zeros(N, np.float32)
        taken = users * N + items  # ascending: R is sorted
        adam, losses = Adam(eta=self.eta, beta2=0.99), []
        steps = -(-len(items) // self.batch) * self.epochs
        for _ in range(self.epochs):
            total, order = 0.0, rng.permutation(len(items))
            for at in range(0, len(order), self.batch):
                rows = np.sort(order[at : at + self.batch])  # sorted: kinder to caches
                u, i = users[rows], items[rows]
                j, valid = self._draw(u, items, taken, N, rng)
                u, i, j = u[valid], i[valid], j[valid]
                total += pairwise_loss(X, Y, b, u, i, j).sum()
                grad = triple_gradients(X, Y, b, u, i, j, self.lam)
                if not self.bias:
                    grad[2][:] = 0.0
                done = getattr(adam, "t_", 0) / steps
                adam.eta = self.eta * (1 - 0.9 * done)
                adam.step([X, Y, b], [g / np.float32(self.batch) for g in grad])
            losses.append(total / len(items))
        self.X_, self.Y_, self.b_ = X, Y, b
        self.loss_ = np.array(losses)

    def _draw(
        self, u: Rows, items: Rows, taken: Rows, N: int, rng: np.random.Generator
    ) -> tuple[Rows, NDArray[np.bool_]]:
        """An item for each user that it has not taken; False where none was found."""

        def draw(n: int) -> Rows:
            if self.negatives == "uniform":
                return rng.integers(N, size=n)
            return items[rng.integers(len(items), size=n)]

        j, clash = np.empty_like(u), np.arange(len(u))
        for _ in range(10):
            j[clash] = draw(len(clash))
            clash = clash[_among(u[clash] * N + j[clash], taken)]
            if len(clash) == 0:
                break
        valid = np.ones(len(u), dtype=bool)
        valid[clash] = False
        return j, valid

    # derivation
    def _score_rows(self, rows: Rows) -> Floats:
        return self.X_[rows] @ self.Y_.T + self.b_


def _among(keys: Rows, ascending: Rows) -> NDArray[np.bool_]:
    """Whether each key occurs in an ascending array."""
    at = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return ascending[at] == keys
