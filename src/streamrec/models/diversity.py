r"""Diversity: lists whose items are good and differ from one another.

Maximal marginal relevance builds a list one place at a time. With relevance r_i in
[0, 1] (a list's scores, stretched over its candidates), similarity
c_ij = max(0, cos(v_i, v_j)) and S the items chosen so far, the next item maximises

    m_i = (1 - trade) r_i - trade max_{j in S} c_ij.

trade = 0 keeps the order of the scores; trade = 1 looks at difference alone. Every m_i
can only fall as S grows, so the values of the chosen items descend and serve as scores.

Source: Carbonell and Goldstein (1998), The use of MMR.
Shapes: B lists, L candidates a list, k places kept, D dimensions, N items described.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from streamrec.models.base import find_rows
from streamrec.protocols import Recommendations

Floats = NDArray[np.float64]
CHUNK_NUMBERS = 8_000_000  # numbers of vectors held at once: 64 MB


# derivation
def relevance(scores: ArrayLike) -> Floats:
    """Scores (B, L) stretched over [0, 1] in each list; equal scores become 1.

    r_i = (s_i - min s) / (max s - min s) over the finite scores; padding stays -inf.

    >>> relevance([[3.0, 1.0, 2.0, -np.inf]]).tolist()
    [[1.0, 0.0, 0.5, -inf]]
    """
    s = np.asarray(scores, dtype=np.float64)
    real = np.isfinite(s)
    top = np.where(real, s, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    low = np.where(real, s, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    width = np.where(top > low, top - low, 1.0)
    with np.errstate(invalid="ignore"):  # a list of padding alone: inf - inf
        stretched = 1.0 - (top - s) / width
    return np.where(real, stretched, -np.inf)


# derivation
def marginal_order(
    r: Floats, V: Floats, trade: float, k: int
) -> tuple[NDArray[np.intp], Floats]:
    """Places (B, k) chosen by maximal marginal relevance and their values m, (B, k).

    r (B, L) relevance, -inf where there is no candidate; V (B, L, D) vectors of length
    one, or zero for an item like no other. Ties go to the earlier place.

    >>> V = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    >>> marginal_order(np.array([[1.0, 0.9, 0.5]]), V, 0.5, 3)[0].tolist()
    [[0, 2, 1]]
    """
    each = np.arange(len(r))
    places = np.zeros((len(r), k), dtype=np.intp)
    values = np.zeros((len(r), k))
    left = r.copy()
    nearest = np.zeros_like(r)  # max over S of c_ij
    with np.errstate(invalid="ignore"):
        left = np.where(np.isfinite(r), (1 - trade) * r, -np.inf)
    for place in range(k):
        m = left - trade * nearest
        best = m.argmax(axis=1)
        places[:, place], values[:, place] = best, m[each, best]
        left[each, best] = -np.inf
        c = np.matmul(V, V[each, best][:, :, None])[:, :, 0]  # (B, L)
        nearest = np.maximum(nearest, c)
    return places, values


@dataclass(eq=False)
class MMRReranker:
    """Reranks by maximal marginal relevance; a Reranker.

    items: (N,) external ids. vectors: (N, D) what an item is like; only directions
    count, and a zero vector is like nothing. trade: weight of difference, in [0, 1].
    Make it from categories with :meth:`from_categories`.

    Raises ValueError for settings out of range, ids that repeat or do not fit.

    >>> mmr = MMRReranker(np.array([1, 2, 3]), np.array([[1, 0], [1, 0], [0, 1.0]]))
    >>> lists = Recommendations(np.array([7]), np.array([[1, 2, 3]]),
    ...                         np.array([[3.0, 2.9, 1.0]]))
    >>> mmr.rerank(lists, 2).items.tolist()
    [[1, 2]]
    >>> mmr.trade = 0.6
    >>> mmr.rerank(lists, 2).items.tolist()
    [[1, 3]]
    """

    items: NDArray[Any]
    vectors: ArrayLike
    trade: float = 0.3

    def __post_init__(self) -> None:
        self.items = np.asarray(self.items)
        V = np.asarray(self.vectors, dtype=np.float64)
        if V.ndim != 2 or len(V) != len(self.items):
            raise ValueError(
                f"{len(self.items)} items need as many vectors (rows); got {V.shape}"
            )
        if len(np.unique(self.items)) < len(self.items):
            raise ValueError("an item occurs twice; ids must be unique")
        if not np.isfinite(V).all():
            raise ValueError("vectors must be finite; drop or mend the items without")
        if not 0 <= self.trade <= 1:
            raise ValueError(f"trade is a weight in [0, 1], not {self.trade}")
        self.vectors = unit(V)

    @classmethod
    def from_categories(cls, categories: pd.Series, trade: float = 0.3) -> Self:
        """Items alike in their categories: a value, or several in a tuple or list.

        ``categories`` is indexed by item id. The cosine of two sets a and b is
        |a & b| / sqrt(|a| |b|). An item without a category is like nothing.

        >>> genres = pd.Series([("Drama",), ("Drama", "War")], index=[5, 6])
        >>> MMRReranker.from_categories(genres).vectors.round(3).tolist()
        [[1.0, 0.0], [0.707, 0.707]]
        """
        sets = [_labels(value) for value in categories]
        names = {
            label: j for j, label in enumerate(sorted({x for s in sets for x in s}))
        }
        V = np.zeros((len(sets), max(1, len(names))))
        for row, labels in enumerate(sets):
            V[row, [names[label] for label in labels]] = 1.0
        return cls(categories.index.to_numpy(), V, trade)

    def rerank(self, lists: Recommendations, k: int) -> Recommendations:
        """The k items of each list that maximal marginal relevance takes, in its order.

        Scores are the values m of the choice. Lists shorter than k stay short. Raises
        ValueError for k < 1 and for an item that was not described.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1; got {k}")
        B, L = lists.items.shape
        rows = find_rows(self.items, lists.items.ravel()).reshape(B, L)
        valid = lists.valid
        lost = valid & (rows < 0)
        if lost.any():
            item = lists.items[lost][0]
            raise ValueError(
                f"item {item} has no vector: describe every item that may be listed"
            )
        kept, r = min(k, L), relevance(lists.scores)
        items = np.repeat(lists.items[:, :1], k, axis=1)
        scores = np.full((B, k), -np.inf)
        V: Floats = np.asarray(self.vectors)
        step = max(1, CHUNK_NUMBERS // max(1, L * V.shape[1]))
        for at in range(0, B if kept else 0, step):
            part = slice(at, at + step)
            near = V[rows[part]] * valid[part, :, None]  # (b, L, D)
            places, m = marginal_order(r[part], near, self.trade, kept)
            items[part, :kept] = np.take_along_axis(lists.items[part], places, 1)
            scores[part, :kept] = m
        return Recommendations(lists.users, items, scores)


def unit(V: Floats) -> Floats:
    """Rows of V (N, D) divided by their length; rows of zero stay zero.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(V, axis=1, keepdims=True)
    return np.asarray(V / np.where(length > 0, length, 1.0))


# derivation
def difference(lists: Recommendations, items: ArrayLike, vectors: ArrayLike) -> Floats:
    r"""Mean difference 1 - c_ij over the pairs of each list, (B,).

    (2 / (n (n - 1))) sum_{i < j} (1 - max(0, cos(v_i, v_j))) over the n items;
    NaN for lists of fewer than two. items (N,) ids, vectors (N, D).

    >>> lists = Recommendations(np.array([7]), np.array([[1, 2]]), np.array([[2.0, 1]]))
    >>> difference(lists, [1, 2], [[1.0, 0.0], [0.0, 1.0]]).tolist()
    [1.0]
    """
    V = unit(np.asarray(vectors, dtype=np.float64))
    rows = find_rows(np.asarray(items), lists.items.ravel()).reshape(lists.items.shape)
    out = np.full(len(rows), np.nan)
    for b, valid in enumerate(lists.valid):
        chosen = V[rows[b, valid]]
        n = len(chosen)
        if n >= 2:
            c = np.maximum(0.0, chosen @ chosen.T)
            out[b] = 1.0 - (c.sum() - np.trace(c)) / (n * (n - 1))
    return out


def _labels(value: Any) -> list[Any]:
    """The categories of one item, as a list without repeats."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return list(dict.fromkeys(value))
    return [] if pd.isna(value) else [value]
