"""What recommenders that read a history in time order share: windows, targets, scores.

A network reads the items x_1, ..., x_L of a window and returns a state h_t for each
place t that depends on x_1, ..., x_t only (it is *causal*). Scores of all items come
from a state; the loss is the cross-entropy of a full softmax over the catalogue,

    -log softmax(s(h_t))_y,      y = x_{t + o},   o uniform on 1, ..., H,

with H the ``horizon``: with H = 1 the network learns what comes next, with more what
comes soon, which is what a list of ten is judged by. Items of the window up to t are
left out of the softmax, since they will not be recommended again.

Shapes: B windows in a batch, L places, N items, D width. The padding id is N and stands
only at the end of a window, where a causal network cannot see it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from streamrec.models.base import MatrixRecommender, find_rows, require_positive
from streamrec.models.trainer import TrainSettings, seeded, train, uniform

if TYPE_CHECKING:
    from streamrec.data.interactions import Interactions

Rows = NDArray[np.intp]
CHUNK = 256  # histories scored at once


@dataclass(frozen=True)
class Histories:
    """Item rows of every user in time order, one after the other.

    items: (n,) item rows. starts: (M + 1,): user u has items[starts[u]:starts[u + 1]].

    >>> h = Histories(np.array([4, 7, 5]), np.array([0, 2, 2, 3]))
    >>> [s.tolist() for s in h.of([0, 1, 2])]
    [[4, 7], [], [5]]
    """

    items: NDArray[np.int64]
    starts: NDArray[np.int64]

    def of(self, users: Iterable[int]) -> list[NDArray[np.int64]]:
        """The histories of these users (rows), a new list of views."""
        return [self.items[self.starts[u] : self.starts[u + 1]] for u in users]


def histories(interactions: Interactions) -> Histories:
    """The histories in time order; ties in the order of the item ids, as in the splits.

    Raises ValueError without times.

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> df = pd.DataFrame({"user": 1, "item": [5, 6, 7], "time": [30, 10, 20]})
    >>> histories(Interactions.from_frame(df)).items.tolist()
    [1, 2, 0]
    """
    if interactions.time is None:
        raise ValueError(
            "a model of sequences needs times: give the interactions a time column"
        )
    user, item = interactions.user_index, interactions.item_index
    order = np.lexsort((item, interactions.time, user))
    counts = np.bincount(user, minlength=interactions.n_users)
    return Histories(item[order], np.concatenate([[0], np.cumsum(counts)]))


def pad(
    sequences: Sequence[ArrayLike], length: int, fill: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The last ``length`` places of each sequence, filled at the end.

    Returns ids (B, length) and the number of real places (B,).

    >>> pad([[1, 2, 3], [4]], 2, fill=9)[0].tolist()
    [[2, 3], [4, 9]]
    """
    ids = np.full((len(sequences), length), fill, dtype=np.int64)
    counts = np.zeros(len(sequences), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        tail = np.asarray(sequence, dtype=np.int64)[-length:]
        ids[row, : len(tail)], counts[row] = tail, len(tail)
    return ids, counts


@dataclass(frozen=True)
class Windows:
    """A training batch: ids (B, L) and, for the P places that have a target, which.

    place: (P,) row-major place b * L + t in the batch. target: (P,) item rows.
    """

    ids: Tensor
    place: Tensor
    target: Tensor


def cut_windows(
    items: Tensor,
    begin: Tensor,
    count: Tensor,
    length: int,
    horizon: int,
    fill: int,
    generator: torch.Generator,
) -> Windows:
    """One window of each history at a random place, a random target for each place.

    items (n,): all histories; those asked for begin at begin (B,) and have count (B,)
    items. A history of up to length + 1 items is taken whole. A place is the input of a
    target one to ``horizon`` places later, as far as the history goes.
    """
    B = len(begin)
    u = uniform(generator, B, 1 + length)  # (B, 1 + L)
    most = count.clamp(max=length + 1)
    end = most + (u[:, 0] * (count - most + 1)).long()  # one past the last place
    at = (end - most)[:, None] + torch.arange(length)  # (B, L) places in the history
    real = at < end[:, None] - 1
    room = (count[:, None] - 1 - at).clamp(1, horizon)
    later = 1 + (u[:, 1:] * room).long()
    source = (begin[:, None] + at).clamp(max=len(items) - 1)
    ids = torch.where(real, items[source], fill)
    place = real.reshape(-1).nonzero()[:, 0]
    target = items[(source + later).reshape(-1)[place]]
    return Windows(ids, place, target)


def seen_so_far(windows: Windows) -> Tensor:
    """Items of the window up to each place with a target: (P, L), some repeated."""
    L = windows.ids.shape[1]
    row, t = windows.place // L, windows.place % L
    past = windows.ids[row]  # (P, L)
    now = past.gather(1, t[:, None])
    return torch.where(torch.arange(L) <= t[:, None], past, now)


def sequence_loss(
    network: nn.Module, windows: Windows, exclude_seen: bool
) -> tuple[Tensor, int]:
    """Sum of the cross-entropies over the places, and how many there are.

    exclude_seen: the softmax leaves out what the window holds so far; a place whose
    target is among it has no part in the sum.
    """
    H = network(windows.ids).flatten(0, 1)  # (B L, D)
    place, target = windows.place, windows.target
    if exclude_seen:
        past = seen_so_far(windows)
        new = (past != target[:, None]).all(dim=1)
        place, target, past = place[new], target[new], past[new]
    S: Tensor = network.logits(H[place])  # (P, N)
    if exclude_seen:
        S = S.scatter(1, past, -torch.inf)
    loss = nn.functional.cross_entropy(S, target, reduction="sum")
    return loss, len(target)


class SequentialRecommender(MatrixRecommender):
    """Base of the recommenders that read histories; subclasses make the network.

    A subclass is a dataclass with the fields ``length`` (L), ``horizon`` (H),
    ``dropout``, ``exclude_seen`` and those of its training: ``epochs``, ``batch``,
    ``lr``, ``weight_decay``, ``seed``. Its network maps ids (B, L) to states (B, L, D)
    and has ``logits``: states (P, D) to scores (P, N).

    An epoch takes a window of each user's history, so a user with a thousand items
    weighs no more than one with L. The softmax holds windows x L x N numbers of one
    batch: for more than some 50,000 items make ``batch`` small.

    After fit, besides the base's: history_items_, history_starts_ (see Histories);
    weights_ (P,) float32, all parameters; loss_ (epochs,) mean training loss.
    """

    length: int
    horizon: int
    dropout: float
    exclude_seen: bool
    epochs: int
    batch: int
    lr: float
    weight_decay: float
    seed: int

    weights_: NDArray[np.float32]
    history_items_: NDArray[np.int64]
    history_starts_: NDArray[np.int64]
    loss_: NDArray[np.float64]

    # What a model adds.

    def _make(self, n_items: int) -> nn.Module:
        """The network before training; random numbers from PyTorch's generator."""
        raise NotImplementedError

    # What they share.

    def _check_settings(self, *positive: str) -> None:
        require_positive(self, "length", "horizon", "epochs", "batch", "lr", *positive)
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be >= 0, not {self.weight_decay}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")

    def fit(
        self,
        train: Interactions,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Learn from interactions with times; forgets everything learned before.

        checkpoint: file that an interrupted fit goes on from, with the same result bit
        for bit, and that is written after each pass.

        Raises ValueError without times, when nobody has two interactions, or when the
        checkpoint is damaged or of another training.
        """
        self._task = (histories(train), checkpoint)
        try:
            return super().fit(train)
        finally:
            del self._task

    def _fit(self, R: sp.csr_matrix) -> None:
        past, checkpoint = self._task
        vars(self).pop("_network", None)
        counts = np.diff(past.starts)
        rows = np.flatnonzero(counts > 1)
        if len(rows) == 0:
            raise ValueError("nobody has two interactions: there is no order to learn")
        N, items = R.shape[1], torch.from_numpy(past.items)

        def loss(
            network: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
        ) -> tuple[Tensor, int]:
            ends = (batch["begin"], batch["count"])
            where = (self.length, self.horizon, N, generator)
            return sequence_loss(
                network, cut_windows(items, *ends, *where), self.exclude_seen
            )

        data = {
            "begin": torch.from_numpy(past.starts[:-1][rows]),
            "count": torch.from_numpy(counts[rows]),
        }
        with seeded(self.seed):
            network = self._make(N)
        found = train(
            network,
            loss,
            data,
            TrainSettings(
                self.epochs,
                self.batch,
                lr=self.lr,
                weight_decay=self.weight_decay,
                seed=self.seed,
            ),
            checkpoint=checkpoint,
            identity=json.dumps([self.settings, zlib.crc32(past.items.tobytes())]),
            label=type(self).__name__,
        )
        self.history_items_, self.history_starts_ = past.items, past.starts
        self.weights_ = parameters_to_vector(network.parameters()).detach().numpy()
        self.loss_, self._network = np.array(found.losses), network

    def network(self) -> nn.Module:
        """The trained network, in evaluation mode."""
        self._check_fitted()
        if "_network" not in vars(self):
            with seeded(self.seed):  # the start is overwritten
                network = self._make(len(self.items_)).eval()
            weights = torch.from_numpy(np.array(self.weights_))
            vector_to_parameters(weights, network.parameters())
            self._network = network
        return self._network

    def _score_rows(self, rows: Rows) -> NDArray[Any]:
        past = Histories(self.history_items_, self.history_starts_)
        return self._score_sequences(past.of(rows))

    def _score_sequences(self, sequences: list[NDArray[Any]]) -> NDArray[np.float64]:
        """Scores (B, N) after histories of item rows, none of them empty."""
        network, N = self.network(), len(self.items_)
        S = np.empty((len(sequences), N))
        for at in range(0, len(sequences), CHUNK):
            ids, counts = pad(sequences[at : at + CHUNK], self.length, N)
            with torch.no_grad():
                H = network(torch.from_numpy(ids))  # (b, L, D)
                last = H[torch.arange(len(ids)), torch.from_numpy(counts - 1)]
                S[at : at + CHUNK] = network.logits(last).numpy()
        return S

    def score_histories(self, sequences: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Scores (B, N) for people who were not in training, given what they took.

        sequences: for each, external item ids, oldest first; unknown items are left
        out, and who has no known item gets popularity_. Only the last ``length`` items
        matter.

        Raises TypeError when the ids are of another kind than those of training.
        """
        self._check_fitted()
        S = np.tile(self.popularity_, (len(sequences), 1))
        found = []
        for sequence in sequences:
            ids = np.atleast_1d(np.asarray(sequence))
            rows = find_rows(self.items_, ids) if ids.size else ids.astype(np.intp)
            found.append(rows[rows >= 0])
        known = [b for b, rows in enumerate(found) if len(rows)]
        S[known] = self._score_sequences([found[b] for b in known])
        return S
