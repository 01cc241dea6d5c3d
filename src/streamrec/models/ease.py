"""EASE: a linear item-to-item model in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from streamrec.models.base import MatrixRecommender, presence


# derivation
def ease_weights(G: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
    """Item-to-item weights B (N, N) from the Gram matrix G = R'R (N, N).

    Minimises ||R - R B||_F^2 + lam ||B||_F^2 subject to diag(B) = 0. With a Lagrange
    multiplier for each diagonal entry and P = (G + lam I)^-1,

        B_ij = -P_ij / P_jj  for i != j,   B_jj = 0.

    Time O(N^3), memory O(N^2). Raises ValueError unless lam > 0.
    Source: Steck (2019), Embarrassingly shallow autoencoders for sparse data.

    >>> ease_weights(np.array([[2.0, 1.0], [1.0, 2.0]]), 1.0).round(3).tolist()
    [[0.0, 0.333], [0.333, 0.0]]
    """
    if lam <= 0:
        raise ValueError(
            f"lam must be positive, or G + lam I may be singular; got {lam}"
        )
    P = np.linalg.inv(G + lam * np.eye(len(G)))
    B = -P / np.diag(P)  # column j divided by P_jj
    np.fill_diagonal(B, 0.0)
    return B


@dataclass(eq=False)
class EASE(MatrixRecommender):
    """score_u = r_u B with B from ``ease_weights``; every interaction counts 1.

    lam: ridge penalty, in squared interactions. After fit: B_ (N, N).
    Dense in the catalogue: for tens of thousands of items choose another model.
    """

    lam: float = 400.0

    def __post_init__(self) -> None:
        if self.lam <= 0:
            raise ValueError(f"lam must be positive; got {self.lam}")

    def _fit(self, R: sp.csr_matrix) -> None:
        R = presence(R)
        self.B_ = ease_weights((R.T @ R).toarray(), self.lam)

    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return presence(self.matrix_[rows]) @ self.B_
