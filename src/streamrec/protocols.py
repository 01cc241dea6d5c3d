"""The small interfaces that reference code and learners' code both meet.

Arrays are NumPy. Shapes use B users in a batch, N items in the catalogue, k places in
a list. Users and items are *external ids* (whatever the data hold: integers, strings)
at every public boundary; row numbers stay inside a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

    from streamrec.data.interactions import Interactions


@dataclass(frozen=True)
class Recommendations:
    """Ranked lists for a batch of users.

    users: (B,) external ids. items: (B, k) external ids, best first. scores: (B, k)
    float64, descending in each row. A list shorter than k (a small catalogue, nearly
    everything seen) is padded at the end: its scores are -inf there, and ``valid`` is
    False; the padded ids carry no meaning.
    """

    users: NDArray[Any]
    items: NDArray[Any]
    scores: NDArray[np.float64]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(B, k) True where the place holds a recommendation."""
        return np.isfinite(self.scores)

    def frame(self) -> pd.DataFrame:
        """Long form: columns user, item, rank (from 1), score; padding dropped."""
        import pandas as pd

        B, k = self.items.shape
        keep = self.valid.ravel()
        return pd.DataFrame(
            {
                "user": np.repeat(self.users, k)[keep],
                "item": self.items.ravel()[keep],
                "rank": np.tile(np.arange(1, k + 1), B)[keep],
                "score": self.scores.ravel()[keep],
            }
        )


@runtime_checkable
class Recommender(Protocol):
    """Learns from interactions; ranks the whole catalogue for any user."""

    def fit(self, train: Interactions) -> Self:
        """Learn from interactions; returns self."""
        ...

    def recommend(
        self, users: ArrayLike, k: int = 10, *, exclude_seen: bool = True
    ) -> Recommendations:
        """Top k for each user; unknown users get the model's documented fallback."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """Finds candidates cheaply; order matters less than recall."""

    def retrieve(self, users: ArrayLike, k: int) -> Recommendations:
        """Candidates for each user: k places."""
        ...


@runtime_checkable
class Ranker(Protocol):
    """Scores rows of features; higher is better."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from features X (n, p) and outcomes y (n,); returns self."""
        ...

    def score(self, X: ArrayLike) -> NDArray[np.float64]:
        """X (n, p) -> (n,) scores."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """Reorders (and may cut) lists; never adds an item that was not in them."""

    def rerank(self, lists: Recommendations, k: int) -> Recommendations:
        """The k best places of each list after reordering."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Chooses among actions with known probabilities."""

    def propensities(self, contexts: Any) -> NDArray[np.float64]:
        """(B, N) probability that each action is taken in each context."""
        ...


@runtime_checkable
class Estimator(Protocol):
    """Estimates one causal quantity from a table of units."""

    def estimate(self, y: ArrayLike, d: ArrayLike, X: ArrayLike | None = None) -> Any:
        """Estimate from outcomes y (n,), treatment d (n,), covariates X (n, p)."""
        ...
