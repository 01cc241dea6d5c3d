r"""Self-attentive sequential recommender: which earlier items speak for the next ones.

With queries, keys and values Q, K, V (L, d) of one head,

    attend(Q, K, V) = softmax(Q K' / sqrt(d) + C) V,
    C_ts = -m (t - s) for s <= t, else -inf,

so place t averages what came up to it (the causal mask) and forgets at the head's rate
m: near items weigh more unless their content says otherwise. Distances are all that the
model knows of places. Head j of h has m_j = 4^-j, so the first sees the last few items
and the others ever longer stretches. A block adds the heads' result to its input and
then a two-layer network's, each on normalised input:

    Z = X + O [attend_1(norm X), ..., attend_h(norm X)],   Z + W_2 gelu(W_1 norm Z).

Scores are inner products of the last state with the item vectors that were the input,
plus an offset for each item.

Source: Kang and McAuley (2018), Self-attentive sequential recommendation; the penalty
on distance in place of vectors for places after Press, Smith and Lewis (2022), Train
short, test long; normalisation before each part after Xiong et al. (2020). A full
softmax replaces the paper's sampled negatives.
Shapes: B windows, L places, N items, D width, h heads of width d = D / h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamrec.models.sequences import SequentialRecommender


# derivation
def slopes(heads: int) -> Tensor:
    """Rates of forgetting m_j = 4^-j, j = 1, ..., h: (h, 1, 1).

    >>> slopes(2).flatten().tolist()
    [0.25, 0.0625]
    """
    return 4.0 ** -torch.arange(1, heads + 1)[:, None, None]


# derivation
def attend(Q: Tensor, K: Tensor, V: Tensor, m: Tensor | float = 0.0) -> Tensor:
    """softmax(Q K' / sqrt(d) + C) V, causal, with forgetting m: (..., L, d).

    >>> one = torch.ones(2, 1)
    >>> attend(one, one, torch.tensor([[2.0], [4.0]])).flatten().tolist()
    [2.0, 3.0]
    """
    L, d = Q.shape[-2:]
    t = torch.arange(L)
    distance = t[:, None] - t  # (L, L): t - s
    S = Q @ K.transpose(-1, -2) / math.sqrt(d) - m * distance  # (..., L, L)
    return S.masked_fill(distance < 0, -torch.inf).softmax(dim=-1) @ V


class Block(nn.Module):
    """One layer of attention and one two-layer network, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float, alike: bool) -> None:
        super().__init__()
        self.heads, self.alike = heads, alike
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = (
            nn.Linear(width, 2 * width),
            nn.Linear(2 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, X: Tensor) -> Tensor:
        """X (B, L, D) to the same shape."""
        B, L, D = X.shape
        parts = self.qkv(self.norm_1(X)).view(B, L, 3, self.heads, D // self.heads)
        Q, K, V = parts.permute(2, 0, 3, 1, 4)  # each (B, h, L, d)
        if self.alike:  # neither content nor distance counts
            A = attend(torch.zeros_like(Q), K, V)
        else:
            A = attend(Q, K, V, slopes(self.heads))
        A = A.transpose(1, 2).reshape(B, L, D)
        Z = X + self.dropout(self.out(A))
        hidden = nn.functional.gelu(self.wide(self.norm_2(Z)))
        return Z + self.dropout(self.narrow(hidden))


class AttentionNetwork(nn.Module):
    """Item ids (B, L) to causal states (B, L, D), and states to scores of N items."""

    def __init__(
        self,
        n_items: int,
        width: int,
        blocks: int,
        heads: int,
        dropout: float,
        alike: bool,
    ) -> None:
        super().__init__()
        self.n_items = n_items
        self.items = nn.Embedding(n_items + 1, width)  # the last one is padding
        nn.init.normal_(self.items.weight, std=0.05)
        self.blocks = nn.ModuleList(
            Block(width, heads, dropout, alike) for _ in range(blocks)
        )
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.offset = nn.Parameter(torch.zeros(n_items))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, L) to states (B, L, D)."""
        X = self.dropout(4 * self.items(ids))  # small as weights of the output
        for block in self.blocks:
            X = block(X)
        states: Tensor = self.norm(X)
        return states

    def logits(self, H: Tensor) -> Tensor:
        """States (P, D) to scores (P, N)."""
        return H @ self.items.weight[: self.n_items].T + self.offset


@dataclass(eq=False)
class SASRec(SequentialRecommender):
    """Self-attention over the last items of a history; see the module's equations.

    width: D. blocks, heads: of attention. length: L, items of the history that count.
    horizon: a place learns to predict an item drawn from this many next ones.
    dropout: share of numbers set to 0 in training, at the input and after each part.
    exclude_seen: leave items taken before out of the training softmax, so that their
    scores mean nothing (False where people take the same item again).
    attention: False weighs all earlier items alike: the twin that knows which items
    came before the last one, and not in which order.
    epochs: passes, one window of each user in each. batch: windows in a step. lr: the
    highest step size. weight_decay, seed: see ``TrainSettings``.

    Defaults were chosen on a validation slice inside the training part of MovieLens
    100k. Learned attributes: see ``SequentialRecommender``.

    Raises ValueError for settings out of range.

    >>> import pandas as pd
    >>> from streamrec.data.interactions import Interactions
    >>> rows = [(u, (u + t) % 5, t) for u in range(20) for t in range(4)]
    >>> df = pd.DataFrame(rows, columns=["user", "item", "time"])
    >>> model = SASRec(width=16, epochs=30, batch=8, horizon=1, exclude_seen=False)
    >>> scores = model.fit(Interactions.from_frame(df)).score_histories([[1, 2], [3]])
    >>> scores.argmax(axis=1).tolist()
    [3, 4]
    """

    width: int = 64
    blocks: int = 1
    heads: int = 2
    length: int = 100
    horizon: int = 5
    dropout: float = 0.3
    exclude_seen: bool = True
    attention: bool = True
    epochs: int = 20
    batch: int = 16
    lr: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        self._check_settings("width", "blocks", "heads")
        if self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of heads; got {self.width} and {self.heads}"
            )

    def _make(self, n_items: int) -> AttentionNetwork:
        return AttentionNetwork(
            n_items,
            self.width,
            self.blocks,
            self.heads,
            self.dropout,
            not self.attention,
        )
