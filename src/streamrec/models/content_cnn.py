r"""Vectors from item text by a one-dimensional CNN, and what they are for: cold items.

A factor model gives item i the vector y_i, but only where somebody took the item. The
network f reads the words of the text and is trained so that f(text_i) matters to users
as y_i does. The error of a vector is what it does to the scores x_u'y of the M users,

    (1/M) sum_u (x_u'(f - y))^2 = (f - y)'A(f - y),      A = X'X / M,

so with A = LL' the targets are the rows of Y L and the loss is a plain squared error,
each item weighted by n_i / (n_i + patience): a vector learned from few is trusted less.

The network: word vectors, convolutions of widths 1, 2 and 3 with ReLU, the maximum and
the mean over the places of the text, one linear layer. Source of the architecture: Kim
(2014), Convolutional neural networks for sentence classification; of the use: van den
Oord, Dieleman and Schrauwen (2013), Deep content-based music recommendation.
Shapes: n texts, T places, E numbers a word, C channels, D dimensions, M users, N items.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from streamrec.models.base import (
    MatrixRecommender,
    NotFittedError,
    find_rows,
    require_positive,
)
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.trainer import TrainSettings, seeded, train
from streamrec.protocols import Recommendations

if TYPE_CHECKING:
    from streamrec.data.interactions import Interactions

Floats = NDArray[Any]
Rows = NDArray[np.intp]
UNKNOWN, FIRST = 1, 2  # numbers of words: 0 pads, 1 is a word not seen in training
TEXTS_AT_ONCE = 4096


# ------------------------------------------------------------------------------- text


def item_texts(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.Series:
    """One text an item: its columns in this order, several values with commas.

    Without ``columns`` all of the table. Missing cells say nothing. Indexed as
    ``frame``. Raises KeyError for a column that is not there.

    >>> t = pd.DataFrame({"title": ["Toy Story"], "genres": [("Comedy", "Drama")]})
    >>> item_texts(t).tolist()
    ['Toy Story. Comedy, Drama']
    """
    columns = list(frame.columns if columns is None else columns)
    lost = [c for c in columns if c not in frame]
    if lost:
        raise KeyError(f"no column {lost[0]!r}; there are {', '.join(frame.columns)}")
    rows = zip(*[[_said(v) for v in frame[c]] for c in columns], strict=True)
    return pd.Series([". ".join(x for x in r if x) for r in rows], index=frame.index)


def _said(value: Any) -> str:
    if isinstance(value, (tuple, list, set, frozenset, np.ndarray)):
        return ", ".join(str(x) for x in value)
    return "" if pd.isna(value) else str(value).strip().rstrip(".")


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text.

    >>> words("Se7en (1995), a film.")
    ['se7en', '1995', 'a', 'film']
    """
    return re.findall(r"\w+", text.lower())


def vocabulary(texts: Iterable[str], least: int = 2) -> list[str]:
    """Words that occur in at least ``least`` texts, in alphabetical order.

    >>> vocabulary(["a b", "b c", "b a"])
    ['a', 'b']
    """
    counts = Counter(word for text in texts for word in set(words(text)))
    return sorted(word for word, n in counts.items() if n >= least)


def encode(texts: Iterable[str], known: Sequence[str], length: int) -> Rows:
    """Numbers of the first ``length`` words of each text, (n, length), padded with 0.

    >>> encode(["a z b"], ["a", "b"], 4).tolist()
    [[2, 1, 3, 0]]
    """
    number = {word: at + FIRST for at, word in enumerate(known)}
    rows = [[number.get(w, UNKNOWN) for w in words(t)[:length]] for t in texts]
    out = np.zeros((len(rows), length), dtype=np.intp)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out


# ----------------------------------------------------------------------------- network


class TextCNN(nn.Module):
    """Numbers of words (B, T) to vectors (B, D)."""

    def __init__(
        self, words: int, E: int, C: int, widths: Sequence[int], D: int, dropout: float
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(words + FIRST, E, padding_idx=0)
        self.filters = nn.ModuleList(nn.Conv1d(E, C, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * C * len(widths), D)

    def forward(self, texts: Tensor) -> Tensor:
        """Vectors (B, D) of numbers of words (B, T)."""
        real = (texts > 0)[:, None, :].float()  # (B, 1, T)
        x = self.dropout(self.words(texts)).transpose(1, 2)  # (B, E, T)
        places = real.sum(dim=2).clamp(min=1)
        pooled = []
        for conv in self.filters:
            width = conv.kernel_size[0]
            around = F.pad(x, ((width - 1) // 2, width // 2))
            a = F.relu(conv(around)) * real  # (B, C, T); zero is ReLU's least value
            pooled += [a.amax(dim=2), a.sum(dim=2) / places]
        out: Tensor = self.out(self.dropout(torch.cat(pooled, dim=1)))
        return out


# derivation
def score_metric(X: Floats) -> Floats:
    """L (D, D) with LL' = X'X / M + ridge: lengths of y L are errors of scores.

    The ridge, a millionth of the mean of the diagonal, keeps L invertible when users
    span fewer than D dimensions. X (M, D) user vectors.

    >>> score_metric(np.array([[2.0, 0.0], [0.0, 1.0]])).round(3).tolist()
    [[1.414, 0.0], [0.0, 0.707]]
    """
    A = X.T.astype(np.float64) @ X / len(X)
    return np.linalg.cholesky(A + 1e-6 * np.trace(A) / len(A) * np.eye(len(A)))


@dataclass(eq=False)
class ContentCNN:
    """Text to vectors of a factor model's space; see the module's equations.

    channels, widths, embedding: of the network. length: words read of a text. least:
    texts in which a word must occur. patience: interactions at which an item's target
    weighs one half. validation: share of the items, drawn at random, that choose the
    pass whose weights are kept. epochs, batch, lr, weight_decay, dropout, seed: of the
    training.

    After ``fit``: vocabulary_, network_, history_ (``trainer.History``), explained_
    the weighted R^2 on the validation items.

    Raises ValueError for settings out of range.
    """

    embedding: int = 64
    channels: int = 64
    widths: tuple[int, ...] = (1, 2, 3)
    length: int = 48
    least: int = 2
    patience: float = 10.0
    validation: float = 0.1
    epochs: int = 20
    batch: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained."""
        self.widths = tuple(int(w) for w in self.widths)
        require_positive(
            self, "embedding", "channels", "length", "least", "epochs", "batch", "lr"
        )
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be positive, not {self.widths}")
        if self.patience < 0 or self.weight_decay < 0:
            raise ValueError("patience and weight_decay must be >= 0")
        for name in ("dropout", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share in [0, 1): {getattr(self, name)}")

    def fit(
        self,
        texts: Sequence[str],
        vectors: ArrayLike,
        *,
        users: ArrayLike | None = None,
        counts: ArrayLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn to make vectors (n, D) out of the texts (n,).

        users: (M, D) user vectors, which define what an error costs (without: plain
        squared error). counts: (n,) interactions of each item (without: equal weights).

        Raises ValueError for shapes that do not fit, vectors that are not finite, fewer
        than two texts, and texts without a word in common.
        """
        Y = np.asarray(vectors, dtype=np.float64)
        if Y.ndim != 2 or len(Y) != len(texts) or len(Y) < 2:
            raise ValueError(
                f"{len(texts)} texts need as many vectors, at least two; got {Y.shape}"
            )
        if not np.isfinite(Y).all():
            raise ValueError("vectors must be finite: leave out items without any")
        self.vocabulary_ = vocabulary(texts, self.least)
        if not self.vocabulary_:
            raise ValueError(f"no word occurs in {self.least} texts: lower least")
        n = np.ones(len(Y)) if counts is None else np.asarray(counts, dtype=np.float64)
        w = n / (n + self.patience) if counts is not None else n
        self._standardise(Y, w, users)
        Z = (Y @ self._L - self._mean) / self._scale  # (n, D)
        self.network_ = self._network(Y.shape[1])
        self._train(encode(texts, self.vocabulary_, self.length), Z, w, checkpoint)
        return self

    def _standardise(self, Y: Floats, w: Floats, users: ArrayLike | None) -> None:
        D = Y.shape[1]
        self._L = np.eye(D) if users is None else score_metric(np.asarray(users))
        T = Y @ self._L
        self._mean = np.average(T, axis=0, weights=w)
        spread = np.average(((T - self._mean) ** 2).mean(axis=1), weights=w)
        self._scale = float(np.sqrt(spread)) or 1.0

    def _network(self, D: int) -> TextCNN:
        with seeded(self.seed):
            return TextCNN(
                len(self.vocabulary_), self.embedding, self.channels, self.widths, D,
                self.dropout,
            )  # fmt: skip

    def _train(self, texts: Rows, Z: Floats, w: Floats, checkpoint: Any) -> None:
        rng = np.random.default_rng(self.seed)
        held = np.zeros(len(Z), dtype=bool)
        held[rng.permutation(len(Z))[: int(self.validation * len(Z))]] = True
        data = {
            "text": torch.from_numpy(texts),
            "target": torch.from_numpy(Z).float(),
            "weight": torch.from_numpy(w).float(),
        }
        inside = {name: t[torch.from_numpy(~held)] for name, t in data.items()}
        outside = {name: t[torch.from_numpy(held)] for name, t in data.items()}

        def loss(network: nn.Module, batch: dict[str, Tensor], _: Any) -> Any:
            error = ((network(batch["text"]) - batch["target"]) ** 2).mean(dim=1)
            return (error * batch["weight"]).sum(), float(batch["weight"].sum())

        def explained(network: nn.Module) -> float:
            total, weight = loss(network, outside, None)
            return 1.0 - float(total) / weight  # targets have mean 0 and variance 1

        settings = TrainSettings(
            self.epochs, self.batch, self.lr, self.weight_decay, seed=self.seed
        )
        self.history_ = train(
            self.network_, loss, inside, settings, checkpoint=checkpoint,
            validate=explained if held.any() else None, label="Item texts",
        )  # fmt: skip
        scores = self.history_.scores
        self.explained_ = max(scores) if scores else float("nan")

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, D) of any texts, in the space of the vectors learned from.

        Raises NotFittedError before ``fit``.
        """
        if not hasattr(self, "network_"):
            raise NotFittedError("ContentCNN is not fitted: call fit first")
        rows = torch.from_numpy(encode(texts, self.vocabulary_, self.length))
        with torch.no_grad():
            parts = [
                self.network_(part).numpy()
                for part in rows.split(TEXTS_AT_ONCE)
                if len(part)
            ]
        D = len(self._L)
        Z = np.concatenate(parts) if parts else np.zeros((0, D))
        T = Z.astype(np.float64) * self._scale + self._mean
        return np.linalg.solve(self._L.T, T.T).T.astype(np.float32)


# ------------------------------------------------------------------------- cold items


@dataclass(eq=False)
class ContentRecommender(MatrixRecommender):
    """Implicit ALS whose cold items get their vectors from their text.

    factors, lam, iterations: of the factor model. cold: an item with fewer training
    users than this is cold (its text decides); the others keep the learned vector and
    teach the network. epochs, seed: of the network (:class:`ContentCNN`).

    After ``fit``: X_ (M, D), Y_ (N, D), cold_ (N,) True where text decided, explained_
    (R^2 of the network on warm items it did not learn from).

    >>> ContentRecommender(cold=0)
    Traceback (most recent call last):
        ...
    ValueError: cold must be positive, not 0
    """

    factors: int = 64
    lam: float = 10.0
    iterations: int = 15
    cold: int = 1
    epochs: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained."""
        require_positive(self, "factors", "iterations", "cold", "epochs")

    def fit(
        self,
        train: Interactions,
        texts: pd.Series | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn from interactions and from texts indexed by item id (``item_texts``).

        Raises ValueError when an item has no text, or all items are cold.
        """
        if texts is None:
            raise ValueError("give the texts of the items: fit(train, texts)")
        self._given = (texts, checkpoint)
        vars(self).pop("cnn", None)
        try:
            return super().fit(train)
        finally:
            del self._given

    def _fit(self, R: sp.csr_matrix) -> None:
        texts, checkpoint = self._given
        at = find_rows(texts.index.to_numpy(), self.items_)
        if (at < 0).any():
            raise ValueError(f"item {self.items_[at < 0][0]} has no text: give it ''")
        said = texts.iloc[at].tolist()
        als = ImplicitALS(self.factors, self.lam, iterations=self.iterations,
                          seed=self.seed)  # fmt: skip
        als._fit(R)
        self.X_, self.Y_ = als.X_, als.Y_.copy()
        self.cold_ = self.popularity_ < self.cold
        warm = np.flatnonzero(~self.cold_)
        if len(warm) < 2:
            raise ValueError("all items are cold: nothing to learn from; lower cold")
        self.cnn = ContentCNN(epochs=self.epochs, seed=self.seed).fit(
            [said[i] for i in warm], self.Y_[warm], users=self.X_,
            counts=self.popularity_[warm], checkpoint=checkpoint,
        )  # fmt: skip
        self.explained_ = self.cnn.explained_
        cold = np.flatnonzero(self.cold_)
        self.Y_[cold] = self.cnn.vectors([said[i] for i in cold])

    def encode_items(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, D) of new items in the space of Y_.

        A model read from a file has the vectors of its own items, not the network.
        """
        self._check_fitted()
        if not hasattr(self, "cnn"):
            raise NotFittedError(
                "a saved ContentRecommender keeps item vectors, not the network: "
                "fit it again to place new texts"
            )
        return self.cnn.vectors(texts)

    def _score_rows(self, rows: Rows) -> Floats:
        return self.X_[rows] @ self.Y_.T

    def recommend_cold(self, users: ArrayLike, k: int = 10) -> Recommendations:
        """Top k among the cold items alone: candidates for places kept for the new.

        Users without training interactions get the items that suit the average user.
        """
        self._check_fitted()
        users = np.atleast_1d(np.asarray(users))
        rows = self._rows(users)
        X = np.where(rows[:, None] >= 0, self.X_[rows], self.X_.mean(axis=0))
        columns = np.flatnonzero(self.cold_)
        items = np.full((len(users), k), self.items_[0], self.items_.dtype)
        scores = np.full((len(users), k), -np.inf)
        n = min(k, len(columns))
        if n:
            from streamrec.models.base import top_k

            best, values = top_k(X @ self.Y_[columns].T, n)
            items[:, :n], scores[:, :n] = self.items_[columns[best]], values
        return Recommendations(users, items, scores)
