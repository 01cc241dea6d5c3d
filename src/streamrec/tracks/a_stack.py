"""The stack of Track A as one recommender: sources, ranker, diversity, exposure.

Shapes: B users, N items, S sources, L places kept by the ranker, k places shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from streamrec.data.interactions import Interactions
from streamrec.protocols import Recommendations, Reranker
from streamrec.tracks import a_rank
from streamrec.tracks.a_rank import Candidates

Floats = NDArray[np.float64]
FALLBACK = "fallback"  # source of an item that no stage proposed


@dataclass
class Stack:
    """Candidates of every source, one score, then the re-rankers in turn.

    models, reasons: fitted sources by name, and why their items are listed. train:
    what they were fitted on. ranker, calibrator: from ``a_rank.choose``. depth: best
    items taken from each source. pool: places L that the re-rankers see. steps:
    re-rankers by name, in order. titles: of items, for reasons that name one.
    """

    models: dict[str, Any]
    reasons: dict[str, str]
    train: Interactions
    ranker: Any
    calibrator: Any
    depth: int
    pool: int
    steps: dict[str, Reranker]
    titles: pd.Series | None = None

    def seen(self, users: NDArray[Any], exclude: bool = True) -> sparse.csr_matrix:
        """(B, N) what is not shown to these users."""
        x = self.train
        rows = x.user_rows(users)
        known = (rows >= 0) & exclude
        M = x.binary[np.where(rows >= 0, rows, 0)]
        return sparse.csr_matrix(sparse.diags(known.astype(float)) @ M)

    def candidates(self, users: NDArray[Any], exclude_seen: bool = True) -> Candidates:
        """What the sources find for these users."""
        seen = self.seen(users, exclude_seen)
        return a_rank.find(self.models, users, seen, self.train, self.depth)

    def probability(self, c: Candidates) -> Floats:
        """Calibrated probability that a candidate is among the next choices, (n,)."""
        return self.calibrator.probability(self.ranker.score(c), c.X[:, 1])

    def ranked(self, users: NDArray[Any], c: Candidates) -> Recommendations:
        """The best ``pool`` candidates by probability; it is the score."""
        items, p = a_rank.order(c, self.probability(c), self.pool)
        return Recommendations(users, self.train.items[np.maximum(items, 0)], p)

    def stages(
        self, users: NDArray[Any], c: Candidates, k: int
    ) -> dict[str, Recommendations]:
        """Lists of k after the ranker and after each re-ranker in turn."""
        lists = self.ranked(users, c)
        out = {"ranked": _cut(lists, k)}
        for name, step in self.steps.items():
            lists = step.rerank(lists, lists.items.shape[1])
            out[name] = _cut(lists, k)
        return out

    def recommend(
        self, users: ArrayLike, k: int = 10, *, exclude_seen: bool = True
    ) -> Recommendations:
        """Top k of each user; the score is the last step's."""
        who = np.atleast_1d(np.asarray(users))
        c = self.candidates(who, exclude_seen)
        return list(self.stages(who, c, k).values())[-1]

    def funnel(self, k: int, seen: Interactions, deadline: float | None = None) -> Any:
        """The same stages behind the funnel contract: k valid items whatever breaks.

        Its retrievers are the sources, its one ordering stage ranks and re-ranks; its
        fallback is the catalogue from the most popular item down. seen: what is never
        shown to whom.
        """
        from streamrec.production.funnel import Funnel, orderer, retriever

        audience = np.bincount(self.train.binary.indices, minlength=self.train.n_items)
        popular = np.argsort(-audience, kind="stable")
        stages = [
            retriever(name, model, size=self.depth, reason=self.reasons[name])
            for name, model in self.models.items()
        ]
        return Funnel(
            [*stages, orderer("rank", self.rank)],
            self.train.items[popular],
            seen=seen,
            deadline_seconds=deadline,
            k=k,
        )

    def rank(self, users: NDArray[Any], lists: Recommendations) -> Recommendations:
        """Candidates that are known already, ranked and re-ranked: ``pool`` places."""
        place, _ = np.nonzero(lists.valid)
        item = self.train.item_rows(lists.items[lists.valid])
        only = sparse.csr_matrix(
            (np.ones(len(item)), (place, item)), shape=(len(users), self.train.n_items)
        )
        seen = self.seen(np.asarray(users))
        c = a_rank.find(self.models, users, seen, self.train, self.depth, only)
        ranked = self.ranked(users, c)
        for step in self.steps.values():
            ranked = step.rerank(ranked, self.pool)
        return ranked

    def explain(self, answer: Any) -> Any:
        """A funnel's answer whose reasons also name an item of the person's history."""
        valid = answer.valid
        place, _ = np.nonzero(valid)
        item = self.train.item_rows(answer.items[valid])
        near = self._neighbour(np.asarray(answer.users)[place], item)
        words = answer.reason.astype(object)
        own = (answer.source[valid] != FALLBACK) & (near != "")
        words[valid] = np.where(own, words[valid] + "; goes with " + near, words[valid])
        return replace(answer, reason=words)

    def _neighbour(self, users: NDArray[Any], item: NDArray[Any]) -> NDArray[Any]:
        """Title of the item of the history that speaks most for this one, or ""."""
        out = np.full(len(users), "", dtype=object)
        ease = self.models.get("EASE")
        if ease is None or self.titles is None:
            return out
        R, B = self.train.binary, ease.B_
        titles = self.titles.reindex(self.train.items).fillna("").astype(str).to_numpy()
        for n, row in enumerate(self.train.user_rows(users)):
            past = R.indices[R.indptr[row] : R.indptr[row + 1]] if row >= 0 else []
            if len(past):
                weight = B[past, item[n]]
                if weight.max() > 0:
                    out[n] = titles[past[int(weight.argmax())]]
        return out


def _cut(lists: Recommendations, k: int) -> Recommendations:
    """The first k places."""
    return Recommendations(lists.users, lists.items[:, :k], lists.scores[:, :k])
