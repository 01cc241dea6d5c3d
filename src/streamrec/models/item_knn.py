"""Neighbourhood recommender: items alike in who uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from streamrec.models.base import MatrixRecommender, presence, top_k

BLOCK = 512  # rows of the similarity matrix held dense at once


# derivation
def cosine_rows(
    R: sp.csr_matrix, items: NDArray[np.intp], shrink: float = 0.0
) -> NDArray[np.float64]:
    """Shrunk cosine of some items with all items, zero with themselves.

    R (M, N) of zeros and ones, items (b,) columns -> (b, N) with entries

        s_ij = r_i' r_j / (||r_i|| ||r_j|| + shrink),   s_ii = 0.

    shrink is in co-occurring users: it pulls similarities that rest on few users to 0.

    >>> R = sp.csr_matrix([[1.0, 1.0], [1.0, 0.0]])
    >>> cosine_rows(R, np.array([0])).round(3).tolist()
    [[0.0, 0.707]]
    """
    together = (R[:, items].T @ R).toarray()  # (b, N)
    norm = np.sqrt(np.asarray(R.multiply(R).sum(axis=0)).ravel())  # (N,)
    scale = np.outer(norm[items], norm) + shrink
    S = np.divide(together, scale, out=np.zeros_like(together), where=scale > 0)
    S[np.arange(len(items)), items] = 0.0
    return S


@dataclass(eq=False)
class ItemKNN(MatrixRecommender):
    """Cosine item-kNN: score_ui = sum over seen j of s_ji, i among j's k neighbours.

    Every interaction counts 1, whatever its value. Ties among neighbours go to the
    earlier item.

    k: neighbours kept for each item. shrink: see ``cosine_rows``.
    After fit: similarity_ (N, N) CSR, row j holds the k nearest neighbours of j.

    Source: Deshpande and Karypis (2004), Item-based top-N recommendation algorithms.
    """

    k: int = 200
    shrink: float = 0.0

    def __post_init__(self) -> None:
        if self.k < 1 or self.shrink < 0:
            raise ValueError("item-kNN needs k >= 1 neighbours and shrink >= 0")

    def _fit(self, R: sp.csr_matrix) -> None:
        R, N = presence(R), R.shape[1]
        k, blocks = min(self.k, N), []
        for at in range(0, N, BLOCK):
            columns, s = top_k(
                cosine_rows(R, np.arange(at, min(at + BLOCK, N)), self.shrink), k
            )
            indptr = np.arange(len(s) + 1) * k
            blocks.append(
                sp.csr_matrix((s.ravel(), columns.ravel(), indptr), (len(s), N))
            )
        self.similarity_ = sp.vstack(blocks, format="csr")
        self.similarity_.eliminate_zeros()
        self.similarity_.sort_indices()

    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return (presence(self.matrix_[rows]) @ self.similarity_).toarray()
