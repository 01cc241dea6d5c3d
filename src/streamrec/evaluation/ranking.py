r"""How good is a ranked list? Metrics of recommendation, one value a user.

Two layers. The first is functions on arrays: ``hits`` (B, k) says which places of B
lists hold a relevant item, ``n_relevant`` (B,) how many relevant items each user has,
and each metric returns one value a user. The second is :func:`evaluate`, which takes a
model and a split and returns a table of these values, ready to be compared user by user
(:func:`streamrec.evaluation.compare.paired_difference`).

Notation: :math:`r_{ui} \in \{0, 1\}` is 1 if place i of the list of user u holds a
relevant item, R_u the number of relevant items, k the length of the list.

Conventions: all unseen items are ranked (a metric on sampled items can reverse the
order of two models: Krichene and Rendle, 2020). Ties in score go to the smaller item
id. A list shorter than k counts as if filled with irrelevant items. For a user without
relevant items every metric of accuracy is undefined: NaN, not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from streamrec.data.splits import Split
from streamrec.protocols import Recommendations, Recommender

Vector: TypeAlias = NDArray[np.float64]


# -- from scores to hits -----------------------------------------------------------


def top_k(
    scores: ArrayLike, k: int, exclude: sparse.csr_matrix | None = None
) -> NDArray[np.int64]:
    """Columns (B, k) of the k highest scores in each row, best first.

    Equal scores are ordered by column. Cells stored in ``exclude`` (B, N; usually the
    training matrix) and scores of -inf are never returned; where too few remain, the
    end of the row is padded with -1.

    Raises
    ------
    ValueError
        If a score is NaN, k < 1, or ``exclude`` has another shape.

    Examples
    --------
    >>> top_k([[0.1, 0.5, 0.5, 0.2]], 3).tolist()
    [[1, 2, 3]]
    """
    S = np.array(scores, dtype=np.float64, ndmin=2)
    B, N = S.shape
    if k < 1:
        raise ValueError(f"k={k}: ask for at least one item")
    if exclude is not None:
        if exclude.shape != S.shape:
            raise ValueError(f"exclude is {exclude.shape}, the scores are {S.shape}")
        S[np.repeat(np.arange(B), np.diff(exclude.indptr)), exclude.indices] = -np.inf
    if np.isnan(S).any():
        raise ValueError("scores contain NaN: a ranking needs comparable numbers")
    m = min(k, N)
    out = np.full((B, k), -1, dtype=np.int64)
    if m == 0 or B == 0:
        return out
    threshold = np.partition(S, N - m, axis=1)[:, N - m, None]  # (B, 1) m-th best
    chosen = S >= threshold
    excess = np.flatnonzero(chosen.sum(1) > m)  # rows with ties at the threshold
    if len(excess):
        tie = S[excess] == threshold[excess]
        room = m - (S[excess] > threshold[excess]).sum(1, keepdims=True)
        chosen[excess] &= ~tie | (np.cumsum(tie, axis=1) <= room)
    columns = np.nonzero(chosen)[1].reshape(B, m)  # ascending: ties stay in order
    best = np.take_along_axis(S, columns, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    columns = np.take_along_axis(columns, order, axis=1)
    real = np.take_along_axis(best, order, axis=1) > -np.inf
    out[:, :m] = np.where(real, columns, -1)
    return out


def find_hits(
    ranked: ArrayLike, relevant: sparse.csr_matrix
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """``hits`` (B, k) and ``n_relevant`` (B,) of ranked item rows.

    ``ranked`` (B, k) holds item rows, -1 where a list is empty; row b of ``relevant``
    (B, N) stores the relevant items of the same user (the values do not matter).

    Raises
    ------
    ValueError
        If a list names an item twice: it would be counted twice.

    Examples
    --------
    >>> held_out = sparse.csr_matrix([[0, 1, 1], [0, 0, 0]])
    >>> find_hits([[1, 0], [2, 1]], held_out)
    (array([[ True, False],
           [False, False]]), array([2, 0]))
    """
    L = np.asarray(ranked, dtype=np.int64)
    B, N = relevant.shape
    if L.ndim != 2 or len(L) != B:
        raise ValueError(f"ranked is {L.shape}, but relevant has {B} users")
    if L.size and (L.max() >= N or L.min() < -1):
        raise ValueError(f"ranked must hold item rows below {N}, or -1 for no item")
    ordered = np.sort(L, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("a list names the same item twice")
    if not relevant.has_canonical_format:
        relevant = relevant.copy()
        relevant.sum_duplicates()
    n_relevant = np.diff(relevant.indptr).astype(np.int64)
    # One key a cell; the cells of a canonical CSR matrix come in ascending order.
    cells = np.repeat(np.arange(B), n_relevant) * N + relevant.indices
    keys = np.arange(B)[:, None] * N + L
    at = np.searchsorted(cells, keys)
    hits = np.append(cells, -1)[at] == keys
    return hits & (L >= 0), n_relevant


# -- accuracy, one value a user ----------------------------------------------------


def _prepare(hits: ArrayLike, n_relevant: ArrayLike) -> tuple[Vector, Vector]:
    """Hits as (B, k) zeros and ones; R as (B,) with NaN where nothing is relevant."""
    r = np.asarray(hits, dtype=np.float64)
    R = np.asarray(n_relevant, dtype=np.float64)
    if r.ndim != 2 or R.shape != (len(r),):
        raise ValueError(
            f"hits must be (B, k) and n_relevant (B,), not {r.shape} and {R.shape}"
        )
    return r, np.where(R > 0, R, np.nan)


def _if_any(x: Vector, R: Vector) -> Vector:
    """Values where something is relevant, NaN elsewhere."""
    return np.where(np.isnan(R), np.nan, x)


# derivation
def recall(hits: ArrayLike, n_relevant: ArrayLike) -> Vector:
    r"""Share of the relevant items that made the list.

    .. math:: \text{Recall@k}(u) = \frac{1}{R_u} \sum_{i=1}^{k} r_{ui}

    hits (B, k), n_relevant (B,) -> (B,), NaN where R_u = 0. It cannot reach 1 if
    R_u > k: report k with it.

    >>> recall([[True, False]], [4]).tolist()
    [0.25]
    """
    r, R = _prepare(hits, n_relevant)
    return r.sum(axis=1) / R


# derivation
def precision(hits: ArrayLike, n_relevant: ArrayLike) -> Vector:
    r"""Share of the list that is relevant.

    .. math:: \text{Precision@k}(u) = \frac{1}{k} \sum_{i=1}^{k} r_{ui}

    hits (B, k), n_relevant (B,) -> (B,), NaN where R_u = 0. The divisor is k even if
    the list is shorter.

    >>> precision([[True, False]], [4]).tolist()
    [0.5]
    """
    r, R = _prepare(hits, n_relevant)
    return _if_any(r.sum(axis=1) / r.shape[1], R)


# derivation
def hit_rate(hits: ArrayLike, n_relevant: ArrayLike) -> Vector:
    r"""1 if at least one relevant item made the list, else 0.

    .. math:: \text{Hit@k}(u) = \max_{i \le k} r_{ui}

    hits (B, k), n_relevant (B,) -> (B,), NaN where R_u = 0.

    >>> hit_rate([[False, True], [False, False]], [4, 1]).tolist()
    [1.0, 0.0]
    """
    r, R = _prepare(hits, n_relevant)
    return _if_any(r.max(axis=1), R)


# derivation
def reciprocal_rank(hits: ArrayLike, n_relevant: ArrayLike) -> Vector:
    r"""One over the place of the first relevant item, 0 if there is none in the list.

    .. math:: \text{RR@k}(u) = \max_{i \le k} \frac{r_{ui}}{i}

    Its mean over users is MRR@k. hits (B, k), n_relevant (B,) -> (B,), NaN where
    R_u = 0.

    >>> reciprocal_rank([[False, True]], [4]).tolist()
    [0.5]
    """
    r, R = _prepare(hits, n_relevant)
    place = np.arange(1, r.shape[1] + 1)
    return _if_any((r / place).max(axis=1), R)


# derivation
def average_precision(hits: ArrayLike, n_relevant: ArrayLike) -> Vector:
    r"""Precision at the place of each relevant item, averaged.

    .. math::
        \text{AP@k}(u) = \frac{1}{\min(k, R_u)}
        \sum_{i=1}^{k} r_{ui} \Bigl(\frac1i \sum_{j=1}^{i} r_{uj}\Bigr)

    Its mean over users is MAP@k. The divisor makes 1 reachable for every user; some
    libraries divide by R_u instead. hits (B, k), n_relevant (B,) -> (B,), NaN where
    R_u = 0.

    >>> average_precision([[True, False, True]], [2]).round(3).tolist()
    [0.833]
    """
    r, R = _prepare(hits, n_relevant)
    place = np.arange(1, r.shape[1] + 1)
    precision_at = np.cumsum(r, axis=1) / place
    return (r * precision_at).sum(axis=1) / np.minimum(R, r.shape[1])


# derivation
def ndcg(hits: ArrayLike, n_relevant: ArrayLike) -> Vector:
    r"""Discounted gain of the list over that of the best possible one (binary).

    .. math::
        \text{NDCG@k}(u) =
        \frac{\sum_{i=1}^{k} r_{ui} / \log_2(i + 1)}
             {\sum_{i=1}^{\min(k, R_u)} 1 / \log_2(i + 1)}

    The ideal list is cut at min(k, R_u), so 1 is reachable for every user.
    hits (B, k), n_relevant (B,) -> (B,), NaN where R_u = 0.

    >>> ndcg([[False, True]], [1]).round(4).tolist()
    [0.6309]
    """
    r, R = _prepare(hits, n_relevant)
    k = r.shape[1]
    discount = 1 / np.log2(np.arange(1, k + 1) + 1)
    places = np.arange(1, k + 1) <= np.minimum(k, R)[:, None]  # (B, k)
    return r @ discount / _if_any(places @ discount, R)


# -- beyond accuracy ---------------------------------------------------------------


# derivation
def novelty(ranked: ArrayLike, popularity: ArrayLike, n_users: int) -> Vector:
    r"""Mean self-information of the items in a list, in bits.

    .. math:: \text{Novelty@k}(u) = \frac{1}{|L_u|} \sum_{i \in L_u}
        -\log_2 \frac{c_i + 1}{n + 1}

    c_i of n training users met item i; the added one keeps items that nobody met
    finite. ranked (B, k) item rows (-1 for none), popularity (N,) counts c_i ->
    (B,), NaN for an empty list.

    >>> novelty([[0, 1]], [3, 1], n_users=3).tolist()
    [0.5]
    """
    L = np.asarray(ranked, dtype=np.int64)
    c = np.asarray(popularity, dtype=np.float64)
    surprise = -np.log2((c + 1) / (n_users + 1))
    return _mean_where(surprise[L], L >= 0)


def _mean_where(x: NDArray[Any], where: NDArray[np.bool_]) -> Vector:
    n = where.sum(axis=1)
    return np.where(where, x, 0).sum(axis=1) / np.where(n > 0, n, np.nan)


def exposure(
    ranked: ArrayLike, n_items: int, weights: ArrayLike | None = None
) -> Vector:
    """How often each item is shown: (n_items,) counts over all lists.

    ``weights`` (k,) gives each place its own weight (for example how often a reader
    gets that far); by default every place counts one.

    >>> exposure([[0, 2], [0, -1]], 3).tolist()
    [2.0, 0.0, 1.0]
    """
    L = np.asarray(ranked, dtype=np.int64)
    w = np.ones(L.shape[1]) if weights is None else np.asarray(weights, dtype=float)
    shown = L >= 0
    W = np.broadcast_to(w, L.shape)
    return np.bincount(L[shown], weights=W[shown], minlength=n_items).astype(float)


# derivation
def coverage(ranked: ArrayLike, n_items: int) -> float:
    r"""Share of the catalogue that appears in at least one list.

    .. math:: \text{Coverage@k} = \frac{|\bigcup_u L_u|}{N}

    ranked (B, k) item rows (-1 for none). NaN for an empty catalogue. It grows with
    the number of lists: compare at equal B.

    >>> coverage([[0, 2], [0, -1]], 4)
    0.5
    """
    shown = exposure(ranked, n_items) > 0
    return float(shown.sum() / n_items) if n_items else float("nan")


# derivation
def exposure_gini(
    ranked: ArrayLike, n_items: int, weights: ArrayLike | None = None
) -> float:
    r"""Inequality of exposure: 0 if all items are equal, towards 1 if one has it all.

    .. math:: G = \frac{\sum_{j=1}^{N} (2j - N - 1)\, e_{(j)}}{N \sum_j e_{(j)}}

    e_(1) <= ... <= e_(N) is the exposure of all items in the catalogue, the never-shown
    included. Its largest value is (N - 1) / N. NaN if nothing is shown.

    >>> exposure_gini([[0], [1]], 2), exposure_gini([[0], [0]], 2)
    (0.0, 0.5)
    """
    e = np.sort(exposure(ranked, n_items, weights))
    N, total = n_items, e.sum()
    j = np.arange(1, N + 1)
    return float(((2 * j - N - 1) * e).sum() / (N * total)) if total else float("nan")


# -- everything at once ------------------------------------------------------------

ACCURACY: dict[str, Callable[[ArrayLike, ArrayLike], Vector]] = {
    "recall": recall,
    "precision": precision,
    "ndcg": ndcg,
    "average_precision": average_precision,
    "reciprocal_rank": reciprocal_rank,
    "hit_rate": hit_rate,
}
METRICS = (*ACCURACY, "novelty", "coverage", "exposure_gini")


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on one split.

    per_user: one row a user (index: external id), one column a metric.
    overall: metrics of all lists together (coverage, exposure Gini).
    k: length of the lists. n_items: size of the catalogue.
    """

    per_user: pd.DataFrame
    overall: dict[str, float]
    k: int
    n_items: int

    def summary(self) -> pd.DataFrame:
        """One row a metric: mean, standard error over users, number of users.

        The error is that of the mean of independent users, s / sqrt(n). To compare two
        models take :func:`streamrec.evaluation.compare.paired_difference` instead: the
        users are the same, so most of this error cancels.
        """
        n = self.per_user.notna().sum()
        rows = pd.DataFrame(
            {
                "mean": self.per_user.mean(),
                "se": self.per_user.std(ddof=1) / np.sqrt(n.where(n > 0)),
                "n": n,
            }
        )
        for name, value in self.overall.items():
            rows.loc[name] = [value, np.nan, len(self.per_user)]
        return rows.rename_axis("metric").astype({"n": int})

    def __getitem__(self, metric: str) -> pd.Series:
        """Values of one metric, indexed by user."""
        return self.per_user[metric]

    def mean(self, metric: str) -> float:
        """Mean of a metric over the users where it is defined, or an overall metric."""
        if metric in self.overall:
            return self.overall[metric]
        return float(self.per_user[metric].mean())

    def __repr__(self) -> str:
        names = [*self.per_user.columns, *self.overall]
        values = ", ".join(f"{m} {self.mean(m):.3f}" for m in names)
        return f"Evaluation(k={self.k}, {len(self.per_user):,} users: {values})"


def evaluate(
    source: Recommender | Recommendations | ArrayLike,
    split: Split,
    k: int = 10,
    *,
    metrics: Sequence[str] = METRICS,
    users: ArrayLike | None = None,
) -> Evaluation:
    """Evaluate a model, finished lists, or a matrix of scores on the held-out half.

    Parameters
    ----------
    source
        A fitted model (asked for k unseen items a user), :class:`Recommendations`
        (judged as they are), or scores (n_users, n_items) aligned with the split's
        catalogues (items seen in training are taken out here).
    split
        Relevant are the user's held-out items that are not in training as well.
    k
        Length of the lists; longer lists are cut.
    metrics
        Names from ``METRICS``.
    users
        External ids; by default every user with a relevant item (for
        Recommendations: every user in them).

    Raises
    ------
    ValueError
        Unknown metrics or users, lists shorter than k places, an item twice in a
        list, scores of another shape or NaN.

    Examples
    --------
    >>> from streamrec.data.interactions import Interactions
    >>> from streamrec.data.splits import last_fraction
    >>> df = pd.DataFrame({"user": [1, 1, 2, 2], "item": [5, 6, 5, 7]})
    >>> split = last_fraction(Interactions.from_frame(df.assign(time=range(4))))
    >>> evaluate([[0.0, 2, 1], [0, 2, 1]], split, k=1, metrics=["recall"])
    Evaluation(k=1, 2 users: recall 0.500)
    """
    unknown = [m for m in metrics if m not in METRICS]
    if unknown:
        raise ValueError(
            f"unknown metric {', '.join(unknown)}: choose from {', '.join(METRICS)}"
        )
    train, relevant = split.train, _relevant(split)
    rows = _users_to_judge(source, split, relevant, users)
    ranked = _ranked_rows(source, split, rows, k)
    hits, n_relevant = find_hits(ranked, relevant[rows])
    per_user = {m: ACCURACY[m](hits, n_relevant) for m in metrics if m in ACCURACY}
    if "novelty" in metrics:
        c = np.bincount(train.binary.indices, minlength=train.n_items)
        per_user["novelty"] = novelty(ranked, c, train.n_users)
    overall = {}
    if "coverage" in metrics:
        overall["coverage"] = coverage(ranked, train.n_items)
    if "exposure_gini" in metrics:
        overall["exposure_gini"] = exposure_gini(ranked, train.n_items)
    index = pd.Index(train.users[rows], name="user")
    return Evaluation(pd.DataFrame(per_user, index=index), overall, k, train.n_items)


def _relevant(split: Split) -> sparse.csr_matrix:
    """(n_users, n_items) held-out cells that training does not have."""
    test, train = split.test.binary, split.train.binary
    new = sparse.csr_matrix(test - test.multiply(train))
    new.eliminate_zeros()
    return new


def _users_to_judge(
    source: Any, split: Split, relevant: sparse.csr_matrix, users: ArrayLike | None
) -> NDArray[np.int64]:
    if users is None and not isinstance(source, Recommendations):
        return np.flatnonzero(np.diff(relevant.indptr))
    asked = source.users if users is None else users
    rows = split.test.user_rows(asked)
    if (rows < 0).any():
        lost = np.asarray(asked).ravel()[int(np.argmax(rows < 0))]
        raise ValueError(f"user {lost!s} is not in the split: evaluate known users")
    return rows


def _ranked_rows(
    source: Any, split: Split, rows: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Item rows (B, k) of the lists to judge, -1 for padding and unknown items."""
    train = split.train
    if hasattr(source, "recommend"):
        source = source.recommend(train.users[rows], k=k, exclude_seen=True)
    if not isinstance(source, Recommendations):
        S = np.asarray(source, dtype=np.float64)
        if S.shape != train.shape:
            raise ValueError(f"scores are {S.shape}, the split is {train.shape}")
        everyone = len(rows) == train.n_users and (np.diff(rows) == 1).all()
        return top_k(S if everyone else S[rows], k, train.binary[rows])
    at = _places(train.user_rows(source.users), rows)
    B, width = source.items.shape
    if width < min(k, train.n_items):
        raise ValueError(f"the lists have {width} places: ask for k={k} or more")
    items = train.item_rows(source.items.ravel()).reshape(B, width)
    items = np.where(source.valid, items, -1)[at, :k]
    out = np.full((len(rows), k), -1, dtype=np.int64)
    out[:, : items.shape[1]] = items
    return out


def _places(given: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted user stands among the given ones."""
    at = pd.Index(given).get_indexer(wanted)
    if (at < 0).any():
        raise ValueError("the recommendations lack a list for some of the users")
    return at.astype(np.int64)
