r"""Session GRU: a gated recurrent network reads a history and scores what comes next.

With x_t the vector of the item at place t and h_0 = 0,

    r_t = sigma(W_r x_t + U_r h_{t-1} + b_r)            what to forget,
    z_t = sigma(W_z x_t + U_z h_{t-1} + b_z)            what to keep,
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + c_n)),
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}.

Chapter 9 derives its gradients; PyTorch's kernel computes them here. Scores are inner
products of a projection of h_t with the item vectors, plus an offset for each item.

Source: Cho et al. (2014); for sessions Hidasi et al. (2016), Session-based
recommendations with recurrent neural networks.
Shapes: B windows, L places, N items, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamrec.models.sequences import SequentialRecommender


# derivation
def gru_step(
    x: Tensor, h: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor
) -> Tensor:
    """One step of the equations above: x (B, D), h (B, H) -> h_t (B, H).

    W (3H, D), U (3H, H), b and c (3H,) hold the rows of r, z and n in this order, as
    ``torch.nn.GRU`` does (its two offsets of r add up, so do those of z).

    >>> zero = torch.zeros
    >>> gru_step(zero(1, 2), torch.ones(1, 1), zero(3, 2), zero(3, 1), zero(3),
    ...          zero(3)).item()
    0.5
    """
    a_r, a_z, a_n = (x @ W.T + b).chunk(3, dim=1)
    u_r, u_z, u_n = (h @ U.T + c).chunk(3, dim=1)
    r, z = torch.sigmoid(a_r + u_r), torch.sigmoid(a_z + u_z)
    n = torch.tanh(a_n + r * u_n)
    return (1 - z) * n + z * h


class RecurrentNetwork(nn.Module):
    """Item ids (B, L) to causal states (B, L, D), and states to scores of N items."""

    def __init__(self, n_items: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.n_items = n_items
        self.items = nn.Embedding(n_items + 1, width)  # the last one is padding
        nn.init.normal_(self.items.weight, std=0.05)
        self.gru = nn.GRU(width, hidden, batch_first=True)
        self.out, self.norm = nn.Linear(hidden, width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.offset = nn.Parameter(torch.zeros(n_items))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, L) to states (B, L, D)."""
        H, _ = self.gru(self.dropout(4 * self.items(ids)))  # (B, L, hidden)
        states: Tensor = self.norm(self.out(self.dropout(H)))
        return states

    def logits(self, H: Tensor) -> Tensor:
        """States (P, D) to scores (P, N)."""
        return H @ self.items.weight[: self.n_items].T + self.offset


@dataclass(eq=False)
class SessionGRU(SequentialRecommender):
    """A gated recurrent network over the last items of a history.

    width: D of the item vectors. hidden: size of h_t. length: L, items of the history
    that count. horizon: a place learns to predict an item drawn from this many next
    ones. dropout: share of numbers set to 0 in training, before and after the network.
    exclude_seen: leave items taken before out of the training softmax, so that their
    scores mean nothing (False where people take the same item again).
    epochs: passes, one window of each user in each. batch: windows in a step. lr: the
    highest step size. weight_decay, seed: see ``TrainSettings``.

    Learned attributes: see ``SequentialRecommender``.

    Raises ValueError for settings out of range.

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> rows = [(u, (u + t) % 5, t) for u in range(20) for t in range(4)]
    >>> df = pd.DataFrame(rows, columns=["user", "item", "time"])
    >>> model = SessionGRU(16, 16, epochs=30, batch=8, horizon=1, exclude_seen=False)
    >>> scores = model.fit(Interactions.from_frame(df)).score_histories([[1, 2], [3]])
    >>> scores.argmax(axis=1).tolist()
    [3, 4]
    """

    width: int = 64
    hidden: int = 128
    length: int = 100
    horizon: int = 5
    dropout: float = 0.3
    exclude_seen: bool = True
    epochs: int = 20
    batch: int = 16
    lr: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_settings("width", "hidden")

    def _make(self, n_items: int) -> RecurrentNetwork:
        return RecurrentNetwork(n_items, self.width, self.hidden, self.dropout)
