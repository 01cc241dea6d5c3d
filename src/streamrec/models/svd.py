"""PureSVD: the best rank-D approximation of the interaction matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from streamrec.models.base import MatrixRecommender, presence


# derivation
def truncated_svd(
    R: sp.csr_matrix, D: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The D largest singular triplets of R (M, N): U (M, D), s (D,), V (N, D).

    s descends. Each column of V has its entry of largest magnitude positive, which
    fixes the sign that the decomposition leaves free. Lanczos iteration (ARPACK) from
    a start vector drawn with ``seed``; when D is near min(M, N), a dense SVD.

    Raises ValueError unless 1 <= D <= min(M, N).

    >>> truncated_svd(sp.csr_matrix(np.diag([3.0, 1.0, 2.0])), 2)[1].round(6).tolist()
    [3.0, 2.0]
    """
    M, N = R.shape
    if not 1 <= D <= min(M, N):
        raise ValueError(f"the rank must be between 1 and {min(M, N)}; got {D}")
    if D >= min(M, N) // 2:
        U, s, Vt = np.linalg.svd(R.toarray(), full_matrices=False)
    else:
        v0 = np.random.default_rng(seed).standard_normal(min(M, N))
        U, s, Vt = svds(R, k=D, v0=v0)
    order = np.argsort(-s)[:D]
    U, s, V = U[:, order], s[order], Vt[order].T
    sign = np.sign(V[np.abs(V).argmax(axis=0), np.arange(D)])
    return U * sign, s, V * sign


@dataclass(eq=False)
class PureSVD(MatrixRecommender):
    """score_u = r_u V V': the row projected on the D leading right singular vectors.

    Every interaction counts 1, an unseen pair 0. By Eckart-Young no matrix of rank D is
    nearer to the training matrix. Since r_u V V' = (U S V')_u, no user factor is kept,
    and a user with new interactions needs no refit.

    factors: D, capped at the matrix's smaller side. seed: start of the iteration.
    After fit: V_ (N, D), singular_values_ (D,).

    Source: Cremonesi, Koren and Turrin (2010), Performance of recommender algorithms
    on top-N recommendation tasks.
    """

    factors: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.factors < 1:
            raise ValueError(f"factors must be at least 1; got {self.factors}")

    def _fit(self, R: sp.csr_matrix) -> None:
        D = min(self.factors, *R.shape)
        _, self.singular_values_, self.V_ = truncated_svd(presence(R), D, self.seed)

    # derivation
    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return (presence(self.matrix_[rows]) @ self.V_) @ self.V_.T
