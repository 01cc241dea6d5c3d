"""Implicit ALS: every pair counts, observed pairs with more confidence.

Notation of the paper, kept in the code: p_ui = 1 where an interaction was observed and
0 elsewhere; confidence c_ui = 1 + alpha r_ui where observed and 1 elsewhere. C is the
CSR matrix of the observed confidences. The objective, over *all* M x N pairs:

    L(X, Y) = sum_ui c_ui (p_ui - x_u'y_i)^2 + lam (||X||_F^2 + ||Y||_F^2)

With Y fixed, each user's best factors solve the normal equations, derived in Chapter 1:

    (Y'Y + lam I + sum_i (c_ui - 1) y_i y_i') x_u = sum_i c_ui p_ui y_i

Both sums run over the user's observed items only, because c - 1 and p vanish elsewhere:
that is what makes the dense problem as cheap as a sparse one. Y'Y is shared.

Source: Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback
datasets; conjugate gradient: Takacs, Pilaszy and Tikk (2011).
Shapes: M users, N items, D factors; B rows in a batch, m entries in its longest row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from streamrec.models.als import padded, row_batches
from streamrec.models.base import MatrixRecommender


# derivation
def objective(C: sp.csr_matrix, X: NDArray[Any], Y: NDArray[Any], lam: float) -> float:
    """L(X, Y) over all M x N pairs without forming them.

    Unobserved pairs would cost sum_ui (x_u'y_i)^2 = <X'X, Y'Y>; each observed pair then
    swaps its s^2 for c (1 - s)^2, with s = x_u'y_i.

    >>> objective(sp.csr_matrix([[3.0, 0.0]]), np.ones((1, 1)), np.ones((2, 1)), 0.0)
    1.0
    """
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    total = ((X.T @ X) * (Y.T @ Y)).sum() + lam * ((X**2).sum() + (Y**2).sum())
    for rows in row_batches(C):
        columns, c, p = padded(C, rows, fill=1.0)
        s = (Y[columns] @ X[rows][:, :, None])[:, :, 0]  # (B, m)
        total += (p * (c * (1 - s) ** 2 - s**2)).sum()
    return float(total)


# derivation
def solve_exact(C: sp.csr_matrix, Y: NDArray[Any], lam: float) -> NDArray[Any]:
    """Best X (M, D) given Y (N, D): one D x D system a user, solved in batches.

    Padding stands for an unobserved pair, c = 1 and p = 0, and so adds nothing.
    Cost O(nnz D^2 + M D^3). A user without interactions gets zeros.

    >>> solve_exact(sp.csr_matrix([[3.0, 0.0]]), np.ones((2, 1)), 1.0).tolist()
    [[0.6]]
    """
    D = Y.shape[1]
    YtY = Y.T @ Y + lam * np.eye(D, dtype=Y.dtype)  # (D, D), shared
    X = np.zeros((C.shape[0], D), dtype=Y.dtype)
    for rows in row_batches(C, least=D):
        columns, c, p = padded(C, rows, fill=1.0)
        Yu = Y[columns]  # (B, m, D)
        A = YtY + Yu.transpose(0, 2, 1) @ ((c - 1)[:, :, None] * Yu)  # (B, D, D)
        b = ((c * p)[:, None, :] @ Yu)[:, 0]  # (B, D)
        X[rows] = np.linalg.solve(A, b[:, :, None])[:, :, 0]
    return X


# derivation
def solve_unweighted(C: sp.csr_matrix, Y: NDArray[Any], lam: float) -> NDArray[Any]:
    """``solve_exact`` when every observed c is 1: one matrix serves all users.

    X = P Y (Y'Y + lam I)^-1 with P the 0/1 matrix, from a single Cholesky factor.

    >>> solve_unweighted(sp.csr_matrix([[1.0, 0.0]]), np.ones((2, 1)), 2.0).tolist()
    [[0.25]]
    """
    YtY = Y.T @ Y + lam * np.eye(Y.shape[1], dtype=Y.dtype)
    return C @ cho_solve(cho_factor(YtY), Y.T).T  # (M, N) @ (N, D)


# derivation
def solve_cg(
    C: sp.csr_matrix, Y: NDArray[Any], X: NDArray[Any], lam: float, steps: int = 3
) -> NDArray[Any]:
    """``steps`` conjugate-gradient steps from X (M, D) on the systems of solve_exact.

    A is never formed: A v = (Y'Y + lam I) v + sum_i (c_ui - 1) (y_i'v) y_i costs
    O(D^2 + n_u D) a user. D steps give the exact answer; three, started from the last
    sweep's factors, are enough inside ALS. Every step lowers the objective.

    >>> C, Y = sp.csr_matrix([[3.0, 0.0]]), np.ones((2, 1))
    >>> solve_cg(C, Y, np.zeros((1, 1)), 1.0, steps=1).round(6).tolist()
    [[0.6]]
    """
    YtY = Y.T @ Y + lam * np.eye(Y.shape[1], dtype=Y.dtype)
    X_new = np.zeros_like(X)
    for rows in row_batches(C):
        columns, c, p = padded(C, rows, fill=1.0)
        Yu = Y[columns]  # (B, m, D)

        def A(V: NDArray[Any], Yu: NDArray[Any] = Yu, w: NDArray[Any] = c - 1) -> Any:
            s = (Yu @ V[:, :, None])[:, :, 0]  # (B, m) inner products y_i'v
            return V @ YtY + ((w * s)[:, None, :] @ Yu)[:, 0]  # (B, D)

        x = X[rows]
        r = ((c * p)[:, None, :] @ Yu)[:, 0] - A(x)  # residual (B, D)
        d, rr = r.copy(), (r * r).sum(axis=1)
        for _ in range(steps):
            Ad = A(d)
            step = rr / _positive((d * Ad).sum(axis=1))
            x = x + step[:, None] * d
            r = r - step[:, None] * Ad
            rr_old, rr = rr, (r * r).sum(axis=1)
            d = r + (rr / _positive(rr_old))[:, None] * d
        X_new[rows] = x
    return X_new


def _positive(x: NDArray[Any]) -> NDArray[Any]:
    """x, or the smallest normal number where x has reached 0: a converged row stays."""
    return np.maximum(x, np.finfo(x.dtype).tiny)


@dataclass(eq=False)
class ImplicitALS(MatrixRecommender):
    """Weighted matrix factorisation of implicit feedback; see the module's equations.

    factors: D. lam: ridge penalty on X and Y. alpha: confidence an observation adds,
    c = 1 + alpha r; at alpha 0 every pair weighs the same, and the exact step then
    costs one Cholesky factor, so it is taken whatever the solver.
    values: False, r = 1 for every interaction; True, r is the training value.
    solver: "cg" (cg_steps steps, warm start) or "exact". iterations: full sweeps.
    dtype: "float32" (fast) or "float64". seed: start of X and Y, N(0, 0.01^2).
    After fit: X_ (M, D), Y_ (N, D).

    Raises ValueError for settings out of range, and in fit for a negative value when
    values=True, since a confidence below 1 would mean less than nothing observed.

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> df = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": list("abacb")})
    >>> model = ImplicitALS(factors=2, lam=0.1).fit(Interactions.from_frame(df))
    >>> model.recommend([3], k=1).items.tolist()
    [['a']]
    """

    factors: int = 128
    lam: float = 10.0
    alpha: float = 0.0
    iterations: int = 15
    solver: str = "cg"
    cg_steps: int = 3
    values: bool = False
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.factors, self.iterations, self.cg_steps) < 1:
            raise ValueError("factors, iterations and cg_steps must be at least 1")
        if self.lam <= 0 or self.alpha < 0:
            raise ValueError("implicit ALS needs lam > 0 and alpha >= 0")
        if self.solver not in ("cg", "exact"):
            raise ValueError(f"solver must be 'cg' or 'exact'; got {self.solver!r}")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(
                f"dtype must be 'float32' or 'float64'; got {self.dtype!r}"
            )

    def confidence(self, R: sp.csr_matrix) -> sp.csr_matrix:
        """C with c_ui = 1 + alpha r_ui on the observed pairs of R, in dtype."""
        r = R.data if self.values else np.ones(R.nnz)
        if (r < 0).any():
            raise ValueError("negative training values: implicit ALS needs r >= 0")
        c = (1 + self.alpha * r).astype(self.dtype)
        return sp.csr_matrix((c, R.indices, R.indptr), shape=R.shape)

    def _fit(self, R: sp.csr_matrix) -> None:
        C = self.confidence(R)
        Ct, (M, N) = C.T.tocsr(), R.shape
        rng = np.random.default_rng(self.seed)
        X, Y = (
            (0.01 * rng.standard_normal((n, self.factors))).astype(self.dtype)
            for n in (M, N)
        )
        for _ in range(self.iterations):
            X = self._half_step(C, Y, X)
            Y = self._half_step(Ct, X, Y)
        self.X_, self.Y_ = X, Y

    def _half_step(
        self, C: sp.csr_matrix, Y: NDArray[Any], X: NDArray[Any]
    ) -> NDArray[Any]:
        if self.alpha == 0:
            return solve_unweighted(C, Y, self.lam)
        if self.solver == "exact":
            return solve_exact(C, Y, self.lam)
        return solve_cg(C, Y, X, self.lam, self.cg_steps)

    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return self.X_[rows] @ self.Y_.T
