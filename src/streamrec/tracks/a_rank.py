"""From several sources to one ranking: candidates, blend, learned ranker, calibration.

Shapes: B users, N items, S sources, n candidates in all (rows of users one after the
other). A source is a fitted recommender; its scores of a user's unseen items are
standardised, so that sources of different scales can be added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from streamrec.data.interactions import Interactions
from streamrec.evaluation import ranking

Floats = NDArray[np.float64]
CHUNK_SCORES = 4_000_000  # scores of one source held at once: 32 MB


@dataclass(frozen=True)
class Candidates:
    """Items found for B users by S sources.

    start: (B + 1,) the candidates of user b are rows start[b] .. start[b+1]. item: (n,)
    item rows, ascending for a user. Z: (n, S) standardised scores. found: (n, S) the
    source had it among its best. X: (n, 3) log audience, log history, share of sources.
    """

    start: NDArray[np.int64]
    item: NDArray[np.int64]
    Z: Floats
    found: NDArray[np.bool_]
    X: Floats

    @property
    def user(self) -> NDArray[np.int64]:
        """(n,) place of the user, 0 .. B - 1."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def take(self, users: NDArray[Any]) -> Candidates:
        """The candidates of some users (places, in that order)."""
        size = np.diff(self.start)[users]
        rows = np.concatenate(
            [np.arange(self.start[b], self.start[b + 1]) for b in users]
            or [np.empty(0, int)]
        )
        start = np.concatenate([[0], np.cumsum(size)])
        return Candidates(
            start, self.item[rows], self.Z[rows], self.found[rows], self.X[rows]
        )


def standardise(S: Floats, hidden: NDArray[np.bool_]) -> Floats:
    """Scores (B, N) minus the mean over the sd of each row's items that may be shown.

    Hidden items become -inf; a row whose scores are all equal becomes 0.

    >>> standardise(np.array([[1.0, 3.0, 9.0]]), np.array([[False, False, True]]))
    array([[ -1.,   1., -inf]])
    """
    S = np.where(hidden, 0.0, S)
    n = np.maximum((~hidden).sum(axis=1, keepdims=True), 1)
    mean = S.sum(axis=1, keepdims=True) / n
    gap = np.where(hidden, 0.0, S - mean)
    sd = np.sqrt((gap**2).sum(axis=1, keepdims=True) / n)
    return np.where(hidden, -np.inf, gap / np.where(sd > 1e-12, sd, 1.0))


def find(
    models: Mapping[str, Any],
    users: NDArray[Any],
    seen: sparse.csr_matrix,
    train: Interactions,
    depth: int,
    only: sparse.csr_matrix | None = None,
) -> Candidates:
    """The ``depth`` best unseen items of every model, merged.

    seen: (B, N) what is never shown to these users. only: (B, N) the candidates, if
    they are known already. Works through the users in chunks.
    """
    B, N = seen.shape
    depth = min(depth, N)
    audience = np.log1p(np.bincount(train.binary.indices, minlength=N))
    rows = train.user_rows(users)
    length = np.diff(train.binary.indptr)[rows] * (rows >= 0)
    parts: list[tuple[Any, ...]] = []
    step = max(1, CHUNK_SCORES // N)
    for at in range(0, B, step):
        hidden = seen[at : at + step].toarray() > 0  # (b, N)
        Z = np.stack(
            [
                standardise(m.score(users[at : at + step]), hidden)
                for m in models.values()
            ]
        )  # (S, b, N)
        kth = np.partition(Z, N - depth, axis=2)[:, :, N - depth, None]
        best = (Z >= kth) & (Z > -np.inf)
        union = best.any(axis=0)
        if only is not None:
            union = (only[at : at + step].toarray() > 0) & ~hidden
        place, item = np.nonzero(union)
        found = best[:, place, item].T
        X = np.column_stack(
            [audience[item], np.log1p(length[at + place]), found.mean(axis=1)]
        )
        size = np.bincount(place, minlength=len(hidden))
        parts.append((size, item, Z[:, place, item].T, found, X))
    size, item, Z, found, X = (np.concatenate(p) for p in zip(*parts, strict=True))
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    return Candidates(start, item.astype(np.int64), Z, found, X)


def order(c: Candidates, score: Floats, k: int) -> tuple[NDArray[Any], Floats]:
    """Item rows (B, k) by score, best first, -1 where none is left; their scores."""
    B = len(c.start) - 1
    user = c.user
    by = np.lexsort((c.item, -score, user))
    place = np.arange(len(by)) - c.start[:-1][user[by]]
    top = place < k
    items = np.full((B, k), -1, dtype=np.int64)
    values = np.full((B, k), -np.inf)
    items[user[by[top]], place[top]] = c.item[by[top]]
    values[user[by[top]], place[top]] = score[by[top]]
    return items, values


def quality(
    c: Candidates, score: Floats, relevant: sparse.csr_matrix, k: int
) -> Floats:
    """NDCG@k (B,) of the candidates in the order of a score; relevant: (B, N)."""
    return ranking.ndcg(*ranking.find_hits(order(c, score, k)[0], relevant))


def labels(c: Candidates, relevant: sparse.csr_matrix) -> Floats:
    """1 where a candidate is among the user's held-out items, (n,)."""
    return np.asarray(relevant[c.user, c.item]).ravel().astype(float)


# -- rankers -----------------------------------------------------------------------


# derivation: eq-listwise
def listwise(
    w: Floats, Z: Floats, y: Floats, start: NDArray[Any], lam: float
) -> tuple[float, Floats]:
    """Mean cross-entropy of softmax(Z w) over each user's candidates, and its gradient.

    With q_u = y_u / sum y_u and p_u = softmax(Z_u w):
    loss = -1/m sum_u q_u' log p_u + lam |w|^2,  gradient = 1/m sum_u Z_u'(p_u - q_u)
    + 2 lam w. start: (m,) first row of each user; every user has a positive.

    >>> Z, y = np.array([[0.0], [0.0]]), np.array([1.0, 0.0])
    >>> loss, g = listwise(np.zeros(1), Z, y, np.array([0]), 0.0)
    >>> round(loss, 4), g.tolist()
    (0.6931, [0.0])
    """
    size = np.diff(np.append(start, len(y)))
    s = Z @ w
    s = s - np.repeat(np.maximum.reduceat(s, start), size)
    e = np.exp(s)
    p = e / np.repeat(np.add.reduceat(e, start), size)
    q = y / np.repeat(np.add.reduceat(y, start), size)
    m = len(start)
    loss = -(q * np.log(np.maximum(p, 1e-300))).sum() / m + lam * (w @ w)
    return float(loss), Z.T @ (p - q) / m + 2 * lam * w


@dataclass
class Blend:
    """A weighted sum of the sources' standardised scores; weights are not negative.

    Weights minimise ``listwise`` on held-out items of a validation slice: as many
    numbers as there are sources. columns: use these sources only (None: all).
    """

    columns: tuple[int, ...] | None = None
    lam: float = 1e-3

    def fit(self, c: Candidates, y: Floats) -> Blend:
        """Learn the weights from candidates and their labels (n,)."""
        some = np.flatnonzero(np.add.reduceat(y, c.start[:-1]) > 0)
        part = c.take(some)
        rows = np.concatenate([np.arange(c.start[b], c.start[b + 1]) for b in some])
        Z = self._columns(part)
        got = minimize(
            listwise,
            np.full(Z.shape[1], 1.0 / Z.shape[1]),
            args=(Z, y[rows], part.start[:-1], self.lam),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * Z.shape[1],
        )
        self.w_ = np.zeros(c.Z.shape[1])
        self.w_[list(self.columns or range(c.Z.shape[1]))] = got.x
        return self

    def _columns(self, c: Candidates) -> Floats:
        return c.Z if self.columns is None else c.Z[:, list(self.columns)]

    def score(self, c: Candidates) -> Floats:
        """Weighted sums (n,)."""
        return c.Z @ self.w_

    def parts(self, c: Candidates) -> Floats:
        """What each source adds to the score, (n, S)."""
        return c.Z * self.w_


@dataclass
class Learned:
    """The multilayer perceptron on all candidate features."""

    seed: int = 0
    epochs: int = 12

    def fit(self, c: Candidates, y: Floats) -> Learned:
        """Learn from candidates; the last tenth of the users decides when to stop."""
        from streamrec.models.mlp import MLPRanker

        F = self.features(c)
        cut = int(c.start[max(1, int(0.9 * (len(c.start) - 1)))])
        net = MLPRanker((32, 16), batch=1024, epochs=self.epochs, seed=self.seed)
        self.net_ = net.fit(F[:cut], y[:cut], validation=(F[cut:], y[cut:]))
        return self

    @staticmethod
    def features(c: Candidates) -> Floats:
        """Standardised scores, audience, history, share of sources: (n, S + 3)."""
        return np.column_stack([c.Z, c.X])

    def score(self, c: Candidates) -> Floats:
        """Logits (n,)."""
        return self.net_.score(self.features(c))

    def parts(self, c: Candidates) -> Floats:
        """The standardised scores themselves: a network has no parts."""
        return c.Z


def halves(c: Candidates, seed: int) -> NDArray[np.int64]:
    """A random half, 0 or 1, for each user: (B,)."""
    B = len(c.start) - 1
    return np.random.default_rng(seed).permutation(np.arange(B) % 2)


def crossed(make: Any, c: Candidates, y: Floats, half: NDArray[np.int64]) -> Floats:
    """Scores (n,) of a ranker fitted on the other half of the users."""
    out = np.empty(len(y))
    for h in (0, 1):
        learn, judge = np.flatnonzero(half != h), np.flatnonzero(half == h)
        rows = [np.arange(c.start[b], c.start[b + 1]) for b in learn]
        model = make().fit(c.take(learn), y[np.concatenate(rows)])
        at = np.concatenate([np.arange(c.start[b], c.start[b + 1]) for b in judge])
        out[at] = model.score(c.take(judge))
    return out


@dataclass
class Choice:
    """What the validation slice said about the ways to rank.

    rows: a mapping a way: name, ndcg, se, difference (from the best), low, high.
    chosen: name of the simplest way that is not clearly worse than the best.
    """

    rows: list[dict[str, Any]]
    chosen: str
    ranker: Any
    calibrator: Platt


def choose(
    c: Candidates,
    relevant: sparse.csr_matrix,
    names: Sequence[str],
    k: int,
    *,
    seed: int = 0,
    learned: bool = True,
    epochs: int = 12,
) -> Choice:
    """Best single source, blend or network, by NDCG@k on users they did not see.

    Simplest first; a more complex way is kept only if its paired interval against the
    simpler one lies above zero. The one kept is fitted again on all of the slice.
    """
    from streamrec.evaluation.compare import paired_difference

    y = labels(c, relevant)
    half = halves(c, seed)
    singles = [quality(c, c.Z[:, s], relevant, k) for s in range(len(names))]
    best = int(np.argmax([np.nanmean(q) for q in singles]))
    ways: dict[str, Any] = {
        f"{names[best]} alone": lambda: Blend((best,)),
        "weighted blend": Blend,
    }
    if learned:
        ways["neural network"] = lambda: Learned(seed, epochs)
    scores = {w: crossed(make, c, y, half) for w, make in ways.items()}
    found = {w: quality(c, s, relevant, k) for w, s in scores.items()}
    chosen = next(iter(ways))
    rows: list[dict[str, Any]] = []
    for name, q in found.items():
        base = chosen
        d = paired_difference(q, found[base])
        if name != base and d.interval[0] > 0:
            chosen = name
        n = int(np.isfinite(q).sum())
        rows.append(
            {
                "way": name,
                "ndcg": float(np.nanmean(q)),
                "se": float(np.nanstd(q, ddof=1) / np.sqrt(n)),
                "against": "" if name == base and not rows else base,
                "difference": d.difference,
                "low": d.interval[0],
                "high": d.interval[1],
            }
        )
    ranker = ways[chosen]().fit(c, y)
    return Choice(rows, chosen, ranker, Platt().fit(scores[chosen], c.X[:, 1], y))


@dataclass
class Platt:
    """Probability that a candidate is among the user's next interactions.

    logit p = a + b score + c log(1 + history): people with longer histories have more
    to come. Fitted on users whose scores come from a ranker that did not see them.
    """

    def fit(self, score: Floats, history: Floats, y: Floats) -> Platt:
        """Learn three numbers from scores, log histories and labels (n,)."""
        from sklearn.linear_model import LogisticRegression

        X = np.column_stack([score, history])
        self.mean_, sd = X.mean(axis=0), X.std(axis=0)
        self.scale_ = np.where(sd > 1e-12, sd, 1.0)
        model = LogisticRegression(C=1e3, max_iter=200)
        model.fit((X - self.mean_) / self.scale_, y)
        self.coef_ = np.append(model.intercept_, model.coef_[0])
        self.coef_[1] = max(self.coef_[1], 1e-6)  # a better score is never worse
        return self

    def probability(self, score: Floats, history: Floats) -> Floats:
        """Probabilities of scores and log histories of one shape."""
        s = (score - self.mean_[0]) / self.scale_[0]
        h = (history - self.mean_[1]) / self.scale_[1]
        z = self.coef_[0] + self.coef_[1] * s + self.coef_[2] * h
        return 1 / (1 + np.exp(-np.clip(z, -40, 40)))
