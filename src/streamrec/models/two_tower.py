r"""Two towers: users and items become vectors of one space, and the score is u'v.

The user tower reads the history and the features of a user, the item tower the id, the
features and the text vector of an item. Neither sees the other, so item vectors are
computed once and an index finds the best (``models.index``).

Training takes a batch of B pairs (u_b, i_b) and lets the items of the other rows be the
negatives of each row. An item j appears there in proportion to its popularity q_j, and
the softmax must not blame it for that: with logits s_bj - log q_j, the logQ correction,

    loss = -(1/B) sum_b log softmax_b(u_b'v_j - log q_j),

the population optimum is s_ui = log p(i | u) + c_u for *any* number of negatives.
(Given which items stand in a row, the chance that slot k holds the positive is in
proportion to p(i_k | u) prod_{l != k} q_l, hence to p(i_k | u) / q_k.) Without the
correction the optimum is log p(i | u) - log q_i: popular items are punished.

Sources: Yi et al. (2019), Sampling-bias-corrected neural modeling for large corpus item
recommendations; Ma and Collins (2018) for the optimum; Volkovs, Yu and Poutanen (2017),
DropoutNet, for the ids left out in training so that content can stand alone.
Shapes: M users, N items, D dimensions, B rows of a batch, L items of a history.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from streamrec.models.base import MatrixRecommender, find_rows, require_positive, top_k
from streamrec.models.index import (
    EXACT_UP_TO,
    ExactIndex,
    IndexedRecommender,
    IVFIndex,
    VectorIndex,
    ivf_cells,
)
from streamrec.models.trainer import TrainSettings, gather, position, seeded, train
from streamrec.protocols import Recommendations

if TYPE_CHECKING:
    from streamrec.data.interactions import Interactions

Floats = NDArray[Any]
Rows = NDArray[np.intp]
BINS = 8  # a number becomes the name of one of its eighths
ROWS_AT_ONCE = 4096  # rows that a tower encodes at once outside training


# derivation
def corrected_softmax_loss(scores: Tensor, target: Tensor, log_q: Tensor) -> Tensor:
    """-log softmax(s - log q) at the target, (B,); logQ correction of each candidate.

    scores (B, C) of the candidates, target (B,) the positive's column, log_q (C,) or
    (B, C) log probability with which a candidate is drawn.

    >>> s, q = torch.tensor([[1.0, 0.0]]), torch.tensor([0.5, 0.5])
    >>> round(float(corrected_softmax_loss(s, torch.tensor([0]), q.log())), 4)
    0.3133
    """
    return F.cross_entropy(scores - log_q, target, reduction="none")


# ------------------------------------------------------------------- features as tokens


def learn_tokens(frame: pd.DataFrame | None) -> dict[str, Any]:
    """What a table of features can say: column=value of categories, eighths of numbers.

    A text column is a category, a column of tuples or lists several at once; numbers
    are cut at their quantiles. Text that hardly repeats (titles) is no category and is
    left out: give it as a text vector. Index: the id. Plain values only, for a file.

    >>> t = pd.DataFrame({"genre": [("a", "b"), ("a",)]})
    >>> learn_tokens(t)["names"]
    ['genre=a', 'genre=b']
    """
    names, edges, columns = [], {}, []
    for column in [] if frame is None else frame.columns:
        values = frame[column]  # type: ignore[index]
        if pd.api.types.is_numeric_dtype(values) and not _boolean(values):
            number = values.astype("float64").to_numpy()
            number = number[np.isfinite(number)]
            cuts = np.quantile(number, np.arange(1, BINS) / BINS) if len(number) else []
            edges[column] = np.unique(cuts).tolist()
            found = [str(b) for b in range(len(edges[column]) + 1)]
        else:
            sets = [_labels(v) for v in values]
            found = sorted({x for s in sets for x in s})
            plain = all(len(s) < 2 for s in sets)
            if plain and len(found) > max(20, len(sets) // 2):
                continue
        columns.append(column)
        names += [f"{column}={x}" for x in found]
    return {"columns": columns, "names": names, "edges": edges}


def write_tokens(frame: pd.DataFrame | None, known: dict[str, Any], n: int) -> Rows:
    """Tokens of each row (n, T), from 1, padded with 0; what is unknown says nothing.

    Raises ValueError when a column that was learned from is missing.

    >>> t = pd.DataFrame({"genre": [("a", "b"), ("c",)]})
    >>> write_tokens(t, {"columns": ["genre"], "names": ["genre=a"], "edges": {}}, 2)
    array([[1],
           [0]])
    """
    place = {name: at + 1 for at, name in enumerate(known["names"])}
    rows: list[list[int]] = [[] for _ in range(n)]
    for column in known["columns"]:
        if frame is None or column not in frame:
            raise ValueError(
                f"the features lack column {column!r}, learned in training"
            )
        if column in known["edges"]:
            number = frame[column].astype("float64").to_numpy()
            bins = np.searchsorted(known["edges"][column], number, side="right")
            sets = [[str(b)] if np.isfinite(x) else [] for b, x in zip(bins, number)]
        else:
            sets = [_labels(v) for v in frame[column]]
        for row, labels in zip(rows, sets, strict=True):
            row += [place[k] for x in labels if (k := f"{column}={x}") in place]
    out = np.zeros((n, max([len(r) for r in rows], default=0) or 1), dtype=np.intp)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out


def _boolean(values: pd.Series) -> bool:
    return bool(pd.api.types.is_bool_dtype(values))


def _labels(value: Any) -> list[str]:
    """The categories of one cell as text, without repeats."""
    if isinstance(value, (tuple, list, set, frozenset, np.ndarray)):
        return list(dict.fromkeys(str(x) for x in value))
    return [] if pd.isna(value) else [str(value)]


# ------------------------------------------------------------------------- the towers


class Towers(nn.Module):
    """The network: ``users`` and ``items`` make vectors (B, D) out of rows of numbers.

    Ids and tokens count from 1; 0 is padding. The offset of the user tower lets items
    be popular for everybody.
    """

    def __init__(
        self,
        n_items: int,
        tokens: tuple[int, int],
        text: int,
        D: int,
        hidden: int,
        dropout: float,
        leave_out: float,
    ) -> None:
        super().__init__()
        user_tokens, item_tokens = tokens
        self.taken = _bag(n_items, D, 0.1)
        self.user_tokens = _bag(user_tokens, D, 0.1)
        self.item_ids = _bag(n_items, D, 0.0)
        self.item_tokens = _bag(item_tokens, D, 0.1 if item_tokens else 0.0)
        self.text = nn.Linear(text, D, bias=False) if text else None
        self.offset = nn.Parameter(torch.zeros(D))
        self.wide = nn.Linear(D, hidden)
        self.back = nn.Linear(hidden, D)
        self.dropout, self.leave_out = nn.Dropout(dropout), leave_out
        nn.init.normal_(self.offset, std=0.1)

    def users(self, history: Tensor, weight: Tensor, tokens: Tensor) -> Tensor:
        """History (B, L) item numbers, weight (B, L), tokens (B, T) -> (B, D)."""
        h = self.taken(history, per_sample_weights=weight)
        h = self.dropout(h + self.user_tokens(tokens))
        return h + self.back(torch.relu(self.wide(h))) + self.offset

    def items(
        self, ids: Tensor, tokens: Tensor, text: Tensor, known: Tensor | None = None
    ) -> Tensor:
        """Ids (B,), tokens (B, T), text (B, E), known (B,) 0 for an id left out."""
        v = self.item_ids(ids[:, None])
        if known is not None:
            v = v * known[:, None]
        v = v + self.item_tokens(tokens)
        return v if self.text is None else v + self.text(text)


def _bag(n: int, D: int, std: float) -> nn.EmbeddingBag:
    """Sums of rows 1 .. n; row 0 is padding and counts as nothing."""
    bag = nn.EmbeddingBag(n + 1, D, mode="sum", padding_idx=0)
    nn.init.normal_(bag.weight, std=std)
    with torch.no_grad():
        bag.weight[0] = 0.0
    return bag


# -------------------------------------------------------------------------- the model


@dataclass(eq=False)
class TwoTower(MatrixRecommender):
    """Two-tower retrieval; see the module's equations.

    dimensions: D. hidden: width of the user tower's layer. history: L, most recent
    items that make a user. future: whether a training row's history may hold items
    taken later than its target (True: all others; False: those before it). memory: a
    taken item weighs exp(-age / memory), age counted in items; 0 keeps all alike.
    epochs, batch, lr, weight_decay, dropout: of the training (``TrainSettings``).
    correction: the logQ correction. hard: hard negatives of a row in a second training
    of ``hard_epochs`` passes, drawn from the ``pool`` items that rank best for the user
    after the first (the user's own left out). leave_out: share of item ids hidden in
    training when there are features. It places new items better among the known and
    costs recall of the known (on MovieLens 0.1 costs 0.017 of recall@200): 0 when
    new items are served by another source.
    seed: of everything random.

    After fit: item_vectors_ (N, D) and user_vectors_ (M, D) float32, also under the
    names Y_ and X_ that ``IndexedRecommender`` reads; losses_ (passes,).
    An item without training interactions stands where its features put it.

    Raises ValueError for settings out of range.
    """

    dimensions: int = 64
    hidden: int = 128
    history: int = 40
    future: bool = False
    memory: float = 10.0
    epochs: int = 10
    batch: int = 1024
    lr: float = 5e-3
    weight_decay: float = 0.5
    dropout: float = 0.5
    correction: bool = True
    hard: int = 0
    hard_epochs: int = 2
    pool: int = 200
    leave_out: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained."""
        require_positive(
            self,
            "dimensions",
            "hidden",
            "history",
            "epochs",
            "batch",
            "lr",
            "hard_epochs",
            "pool",
        )
        for name in ("memory", "weight_decay", "hard"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, not {getattr(self, name)}")
        for name in ("dropout", "leave_out"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is a share in [0, 1), not {getattr(self, name)}"
                )

    def fit(
        self,
        train: Interactions,
        items: pd.DataFrame | None = None,
        users: pd.DataFrame | None = None,
        *,
        text: ArrayLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn from interactions and, where given, features.

        items, users: tables indexed by id with a row for every id of ``train``
        (``learn_tokens`` says what is read). text: (rows of items, E) vectors, such as
        ``models.text.embed`` makes. checkpoint: file to go on from after a kill (the
        second training writes beside it, with ".hard" added).

        Raises ValueError when an id has no row, or a checkpoint is of other settings.
        """
        vars(self).pop("_index", None)
        self._given = (train, items, users, text, checkpoint)
        try:
            return super().fit(train)
        finally:
            del self._given

    def _fit(self, R: sp.csr_matrix) -> None:
        train_set, items, users, text, checkpoint = self._given
        self._learn_features(items, users, text)
        self._order_history(train_set)
        network = self._network()
        self.losses_ = np.array(self._train(network, checkpoint, None))
        if self.hard:
            mined = self._mine(network)
            more = None if checkpoint is None else Path(f"{checkpoint}.hard")
            losses = self._train(network, more, mined)
            self.losses_ = np.append(self.losses_, losses)
        flat = nn.utils.parameters_to_vector(network.parameters())
        self.weights_ = flat.detach().numpy().copy()
        self._encode_all(network)

    # Features.

    def _learn_features(
        self, items: pd.DataFrame | None, users: pd.DataFrame | None, text: Any
    ) -> None:
        items = _aligned(items, self.items_, "items")
        users = _aligned(users, self.users_, "users")
        self.item_features_, self.user_features_ = (
            learn_tokens(items),
            learn_tokens(users),
        )
        self.item_tokens_ = write_tokens(items, self.item_features_, len(self.items_))
        self.user_tokens_ = write_tokens(users, self.user_features_, len(self.users_))
        if text is None:
            self.text_ = np.zeros((len(self.items_), 0), dtype=np.float32)
            return
        given = self._given[1]
        E = np.asarray(text, dtype=np.float32)
        if given is None or E.ndim != 2 or len(E) != len(given):
            raise ValueError("text vectors need the table of items they belong to, a "
                             "row each")  # fmt: skip
        self.text_ = E[find_rows(given.index.to_numpy(), self.items_)]

    def _network(self) -> Towers:
        tokens = (len(self.user_features_["names"]), len(self.item_features_["names"]))
        content = bool(tokens[1] or self.text_.shape[1])
        with seeded(self.seed):
            return Towers(
                len(self.items_), tokens, self.text_.shape[1], self.dimensions,
                self.hidden, self.dropout, self.leave_out if content else 0.0,
            )  # fmt: skip

    # Histories: all items in one row, user by user, each user's in time order.

    def _order_history(self, given: Interactions) -> None:
        time = np.zeros(len(given)) if given.time is None else given.time
        order = np.lexsort((given.item_index, time, given.user_index))
        self.taken_ = given.item_index[order] + 1  # from 1; 0 is padding
        counts = np.bincount(given.user_index, minlength=len(self.users_))
        self.ends_ = counts.cumsum()

    def _window(
        self, end: Tensor, start: Tensor, skip: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Numbers and weights (B, L) of the L items before ``end``, but ``skip``."""
        age = torch.arange(self.history)
        at = end[:, None] - 1 - age  # newest first
        real = (at >= start[:, None]) & (at != skip[:, None])
        taken = torch.from_numpy(self.taken_)[at.clamp(min=0)] * real
        weight = torch.exp(-age / self.memory) if self.memory else torch.ones(len(age))
        weight = weight * real
        norm = (weight**2).sum(dim=1, keepdim=True).sqrt()
        return taken, weight / norm.clamp(min=1e-12)

    # Training.

    def _train(
        self, network: Towers, checkpoint: Any, mined: NDArray[Any] | None
    ) -> list[float]:
        starts = np.concatenate([[0], self.ends_[:-1]])
        user = np.repeat(np.arange(len(self.ends_)), np.diff([0, *self.ends_]))
        data = {
            "user": torch.from_numpy(user),
            "place": torch.arange(len(user)),
            "start": torch.from_numpy(starts[user]),
            "end": torch.from_numpy(self.ends_[user]),
            # a checkpoint knows its data: it must not serve other settings
            "of": torch.full((len(user),), self._identity(), dtype=torch.int32),
        }
        settings = TrainSettings(
            epochs=self.epochs if mined is None else self.hard_epochs,
            batch_size=self.batch,
            lr=self.lr if mined is None else self.lr / 5,
            weight_decay=self.weight_decay,
            seed=self.seed,
        )
        loss = _BatchLoss(self, mined)
        return train(
            network, loss, data, settings, checkpoint=checkpoint, label="Two towers"
        ).losses

    def _identity(self) -> int:
        said = json.dumps([self.settings, self.item_features_, self.user_features_])
        return zlib.crc32(said.encode()) >> 1

    def _mine(self, network: Towers) -> NDArray[Any]:
        """The ``pool`` best unseen items of each user, (M, pool), ascending from 1."""
        self._encode_all(network)
        size = min(self.pool, len(self.items_))
        out = np.zeros((len(self.users_), size), dtype=np.intp)
        for at in range(0, len(out), ROWS_AT_ONCE):
            rows = np.arange(at, min(at + ROWS_AT_ONCE, len(out)))
            S = self.user_vectors_[rows].astype(np.float64) @ self.item_vectors_.T
            S[:, self.popularity_ == 0] = -np.inf
            self._hide_seen(S, rows)
            columns, values = top_k(S, size)
            out[rows] = np.where(np.isfinite(values), columns + 1, 0)
        return np.sort(out, axis=1)  # not by score: rounding must not reorder them

    # Vectors.

    def _encode_all(self, network: Towers) -> None:
        network.eval()
        known = (self.popularity_ > 0).astype(np.float32)
        ids = np.arange(1, len(self.items_) + 1)
        self.item_vectors_ = self._items(
            network, ids, self.item_tokens_, self.text_, known
        )
        rows = np.arange(len(self.users_))
        parts = [
            self._user_rows(network, rows[at : at + ROWS_AT_ONCE])
            for at in range(0, len(rows), ROWS_AT_ONCE)
        ]
        self.user_vectors_ = np.concatenate(parts)

    @torch.no_grad()
    def _items(
        self, network: Towers, ids: Rows, tokens: Rows, text: Floats, known: Floats
    ) -> Floats:
        arrays = [torch.from_numpy(np.ascontiguousarray(a)) for a in
                  (ids, tokens, text.astype(np.float32), known)]  # fmt: skip
        parts = [
            network.items(*[a[at : at + ROWS_AT_ONCE] for a in arrays]).numpy()
            for at in range(0, len(ids), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts)

    @torch.no_grad()
    def _user_rows(self, network: Towers, rows: Rows) -> Floats:
        end = torch.from_numpy(self.ends_[rows])
        start = torch.from_numpy(np.concatenate([[0], self.ends_[:-1]])[rows])
        taken, weight = self._window(end, start, torch.full_like(end, -1))
        tokens = torch.from_numpy(self.user_tokens_[rows])
        return np.asarray(network.users(taken, weight, tokens).numpy())

    def _restored(self) -> Towers:
        self._check_fitted()
        network = self._network()
        flat = torch.from_numpy(self.weights_.copy())
        nn.utils.vector_to_parameters(flat, network.parameters())
        return network.eval()

    def user_vectors(self, users: ArrayLike) -> Floats:
        """(B, D) vectors of users with training interactions.

        Raises KeyError for a user without: the model's lists for those are the popular
        items, or give their histories to ``encode_users``.
        """
        self._check_fitted()
        asked = np.atleast_1d(np.asarray(users))
        rows = self._rows(asked)
        if (rows < 0).any():
            raise KeyError(
                f"user {asked[rows < 0][0]} has no training interaction: use "
                "encode_users, or recommend, which falls back to popular items"
            )
        return self.user_vectors_[rows]

    def encode_users(
        self, histories: Sequence[ArrayLike], users: pd.DataFrame | None = None
    ) -> Floats:
        """(B, D) vectors of new users: their items in time order, and their features.

        Items the model does not know are skipped.
        """
        network, B = self._restored(), len(histories)
        taken = np.zeros((B, self.history), dtype=np.intp)
        age = np.arange(self.history)
        for b, history in enumerate(histories):
            rows = find_rows(self.items_, np.atleast_1d(np.asarray(history)))
            rows = rows[rows >= 0][::-1][: self.history]
            taken[b, : len(rows)] = rows + 1
        weight = np.where(
            taken > 0, np.exp(-age / self.memory) if self.memory else 1, 0
        )
        norm = np.sqrt((weight**2).sum(axis=1, keepdims=True))
        weight = (weight / np.maximum(norm, 1e-12)).astype(np.float32)
        known = self.user_features_ if users is not None else learn_tokens(None)
        tokens = torch.from_numpy(write_tokens(users, known, B))
        with torch.no_grad():
            u = network.users(torch.from_numpy(taken), torch.from_numpy(weight), tokens)
        return np.asarray(u.numpy())

    def encode_items(
        self, items: pd.DataFrame, *, text: ArrayLike | None = None
    ) -> Floats:
        """(n, D) vectors of items never seen, from their features alone.

        Raises ValueError when a feature or the text vectors learned from are missing.
        """
        network, n = self._restored(), len(items)
        width = self.text_.shape[1]
        E = np.zeros((n, 0)) if text is None else np.asarray(text)
        if E.shape != (n, width):
            raise ValueError(f"text vectors must be ({n}, {width}), not {E.shape}")
        tokens = write_tokens(items, self.item_features_, n)
        ids = np.zeros(n, dtype=np.intp)
        return self._items(network, ids, tokens, E, np.zeros(n, dtype=np.float32))

    # Lists.

    @property
    def X_(self) -> Floats:
        """User vectors, as a factor model names them."""
        return self.user_vectors_

    @property
    def Y_(self) -> Floats:
        """Item vectors, as a factor model names them."""
        return self.item_vectors_

    def _score_rows(self, rows: Rows) -> Floats:
        return self.user_vectors_[rows] @ self.item_vectors_.T

    def retrieve(self, users: ArrayLike, k: int) -> Recommendations:
        """K unseen candidates of each user, from the index that fits the catalogue."""
        self._check_fitted()
        if "_index" not in vars(self):
            self._index = IndexedRecommender(self, _index_for(len(self.items_)))
        return self._index.retrieve(users, k)


class _BatchLoss:
    """The loss of a batch: in-batch negatives of all processes, then hard ones."""

    def __init__(self, model: TwoTower, mined: NDArray[Any] | None) -> None:
        self.model = model
        self.mined = None if mined is None else torch.from_numpy(mined)
        # row 0 of each table belongs to padding
        count = np.bincount(model.taken_, minlength=len(model.items_) + 1)
        q = torch.from_numpy(np.maximum(count, 1) / count.sum()).float()
        self.log_q = q.log() * float(model.correction)
        self.item_tokens = torch.from_numpy(_with_padding(model.item_tokens_))
        self.text = torch.from_numpy(_with_padding(model.text_))
        self.user_tokens = torch.from_numpy(model.user_tokens_)

    def __call__(
        self, network: Towers, batch: dict[str, Tensor], generator: torch.Generator
    ) -> Tensor:
        model, user, place = self.model, batch["user"], batch["place"]
        item = torch.from_numpy(model.taken_)[place]  # (b,)
        end = batch["end"] if model.future else place
        taken, weight = model._window(end, batch["start"], place)
        u = network.users(taken, weight, self.user_tokens[user])  # (b, D)
        items = gather(item)  # (B,)
        mine = slice(position(), position() + len(item))
        drawn = torch.rand(len(items), generator=generator)[mine]  # same in any split
        v = self._items(network, item, drawn)
        scores, log_q = u @ gather(v).T, self.log_q[items].expand(len(u), -1)
        if self.mined is not None:
            pool = self.mined.shape[1]
            pick = torch.randint(pool, (len(items), model.hard), generator=generator)[
                mine
            ]
            hard = self.mined[user[:, None], pick]  # (b, H)
            w = self._items(network, hard.ravel(), drawn.repeat_interleave(model.hard))
            extra = (w.view(*hard.shape, -1) @ u[:, :, None])[:, :, 0]
            extra = extra.masked_fill(hard == 0, -torch.inf)
            scores = torch.cat([scores, extra], dim=1)
            log_q = torch.cat([log_q, self.log_q[hard]], dim=1)
        target = torch.arange(mine.start, mine.stop)
        return corrected_softmax_loss(scores, target, log_q).mean()

    def _items(self, network: Towers, items: Tensor, drawn: Tensor) -> Tensor:
        known = (drawn >= network.leave_out).float()
        return network.items(items, self.item_tokens[items], self.text[items], known)


def _index_for(n: int) -> VectorIndex:
    """Exact for a small catalogue, above it an inverted file that probes 256 cells.

    Not a graph: learned item vectors differ a hundredfold in length, and of inner
    products with users HNSW found 0.35 at most, 256 cells 0.97 (200,000 items).
    """
    if n <= EXACT_UP_TO:
        return ExactIndex()
    engine: Literal["numpy", "faiss"] = "faiss" if find_spec("faiss") else "numpy"
    return IVFIndex(cells=ivf_cells(n, 16), probes=256, engine=engine)


def _with_padding(table: NDArray[Any]) -> NDArray[Any]:
    """A first row of zeros, for item number 0."""
    return np.concatenate([np.zeros_like(table[:1]), table])


def _aligned(
    frame: pd.DataFrame | None, ids: NDArray[Any], what: str
) -> pd.DataFrame | None:
    """Rows of the table in the order of the catalogue."""
    if frame is None:
        return None
    if frame.index.has_duplicates:
        raise ValueError(f"an id occurs twice in the table of {what}")
    rows = find_rows(frame.index.to_numpy(), ids)
    if (rows < 0).any():
        raise ValueError(
            f"the table of {what} has no row for {ids[rows < 0][0]}: index it by id "
            "and give every id of the training data a row"
        )
    return frame.iloc[rows]
