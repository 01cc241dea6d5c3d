r"""A multilayer perceptron that ranks impressions by their probability of a click.

Notation of Chapter 6: features X (n, p); layers l = 1..L with weights W_l
(d_{l-1}, d_l) and offsets b_l (d_l,); ReLU between layers, none after the last,

    A_0 = (X - mean) / scale,   Z_l = A_{l-1} W_l + b_l,   A_l = max(Z_l, 0),

and Z_L (n, 1) is the logit of a click. PyTorch trains it (Adam on the mean log loss,
early stopping on a validation slice); scoring needs NumPy only, so that a light
process can serve the file that ``save`` wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from streamrec.models.base import NotFittedError, _write_npz, require_positive

Floats = NDArray[np.float64]
FORMAT = 1  # raised when a saved file's layout changes


# derivation: eq-nn-forward
def forward(A: Floats, W: Sequence[Floats], b: Sequence[Floats]) -> Floats:
    """Logits (n,) of standardised features A (n, p).

    >>> W, b = [np.array([[1.0, -1.0]]), np.array([[2.0], [3.0]])], [np.zeros(2)] * 2
    >>> forward(np.array([[1.0], [-1.0]]), W, [b[0], np.array([0.5])]).tolist()
    [2.5, 3.5]
    """
    for W_l, b_l in zip(W[:-1], b[:-1]):
        A = np.maximum(A @ W_l + b_l, 0)  # (n, d_l)
    return (A @ W[-1] + b[-1])[:, 0]  # (n,)


# derivation: eq-nn-he
def initial_weights(
    sizes: Sequence[int], base_rate: float, rng: np.random.Generator
) -> tuple[list[Floats], list[Floats]]:
    """He start: W_l ~ N(0, 2 / d_{l-1}); the last offset is the base rate's logit.

    The last layer starts a tenth as large, so the first predictions are near the base
    rate. sizes: d_0, ..., d_L.

    >>> W, b = initial_weights([3, 4, 1], 0.5, np.random.default_rng(0))
    >>> [w.shape for w in W], float(b[1][0])
    ([(3, 4), (4, 1)], 0.0)
    """
    W = [
        rng.normal(0, np.sqrt(2 / fan_in), (fan_in, fan_out))
        for fan_in, fan_out in zip(sizes[:-1], sizes[1:])
    ]
    W[-1] = W[-1] / 10
    b = [np.zeros(width) for width in sizes[1:]]
    b[-1][:] = logit(base_rate)
    return W, b


def _features(X: ArrayLike, p: int | None = None) -> Floats:
    """Finite X (n, p), n >= 1."""
    A = np.asarray(X, dtype=np.float64)
    if A.ndim != 2 or 0 in A.shape:
        raise ValueError(f"X must be a table (n, p) with rows, not shape {A.shape}")
    if p is not None and A.shape[1] != p:
        raise ValueError(f"the model was fitted on {p} features, X has {A.shape[1]}")
    bad = np.flatnonzero(~np.isfinite(A).all(axis=0))
    if bad.size:
        raise ValueError(
            f"X has missing or infinite values in column {bad[0]}"
            + (f" and {bad.size - 1} more" if bad.size > 1 else "")
            + ": impute them first"
        )
    return A


def _outcomes(y: ArrayLike, n: int) -> Floats:
    """Validated y (n,) of 0 and 1."""
    out = np.asarray(y, dtype=np.float64)
    if out.shape != (n,):
        raise ValueError(f"y must have shape ({n},) as X has {n} rows, not {out.shape}")
    if not np.isin(out, (0, 1)).all():
        raise ValueError("y must hold only 0 and 1, without missing values")
    return out


@dataclass(eq=False)
class MLPRanker:
    """Click probability from a table of features; a Ranker.

    hidden: widths of the hidden layers (empty: logistic regression). lr: Adam's step
    in the first pass. decay: pass t (from 1) takes lr / t^decay; 0 is a constant step,
    and larger values let the last passes settle. Choose both on a validation slice, as
    Chapter 6 does. weight_decay: squared-weight penalty, decoupled from the step.
    batch: rows in a step. epochs: most passes over the data. patience: passes without
    a better validation loss after which training stops; the best weights are kept.
    seed: of the start and of the order of the rows.

    After ``fit``: W_ and b_ (lists of arrays), mean_ and scale_ (p,) of the training
    features, history_ (passes, 2) of training and validation log loss, best_ the pass
    that was kept (from 0).
    """

    hidden: tuple[int, ...] = (64, 32)
    lr: float = 1e-3
    decay: float = 0.0
    weight_decay: float = 1e-2
    batch: int = 512
    epochs: int = 30
    patience: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained."""
        self.hidden = tuple(int(h) for h in self.hidden)
        if any(h < 1 for h in self.hidden):
            raise ValueError(f"each hidden layer needs a unit; got {self.hidden}")
        require_positive(self, "lr", "batch", "epochs", "patience")
        for name in ("decay", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, not {getattr(self, name)}")

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        validation: float | tuple[ArrayLike, ArrayLike] = 0.1,
    ) -> Self:
        """Learn from X (n, p) and y (n,) in {0, 1}.

        validation: a pair (X, y) that decides when to stop, or the share of the *last*
        rows to set aside for that: sort the rows by time and the slice is temporal.
        The same seed, data and number of threads give the same weights.

        Raises ValueError for wrong shapes, values that are not finite, outcomes other
        than 0 and 1, a constant outcome, and training that diverges.
        """
        A = _features(X)
        t = _outcomes(y, len(A))
        A, t, A_val, t_val = self._split(A, t, validation)
        if t.min() == t.max():
            raise ValueError(
                f"every training outcome is {t[0]:.0f}: there is nothing to learn"
            )
        self.mean_, scale = A.mean(axis=0), A.std(axis=0)
        self.scale_ = np.where(scale > 1e-12 * (1 + abs(self.mean_)), scale, 1.0)
        self._train(self._standard(A), t, self._standard(A_val), t_val)
        return self

    def score(self, X: ArrayLike) -> Floats:
        """Logits of a click, (n,): NumPy only, float64.

        Raises NotFittedError before ``fit``, ValueError for another number of features.
        """
        if not hasattr(self, "W_"):
            raise NotFittedError("MLPRanker is not fitted: call fit first")
        A = self._standard(_features(X, len(self.mean_)))
        return forward(A, self.W_, self.b_)

    def probability(self, X: ArrayLike) -> Floats:
        """Probabilities of a click, (n,)."""
        return expit(self.score(X))

    # Training.

    def _standard(self, X: Floats) -> Floats:
        """(X - mean) / scale; a constant feature becomes 0."""
        return (X - self.mean_) / self.scale_

    def _split(
        self, X: Floats, y: Floats, validation: Any
    ) -> tuple[Floats, Floats, Floats, Floats]:
        if isinstance(validation, (int, float)):
            if not 0 < validation < 1:
                raise ValueError(
                    f"validation must be a share in (0, 1) or a pair (X, y), "
                    f"not {validation}"
                )
            cut = len(X) - max(1, round(validation * len(X)))
            if cut < 1:
                raise ValueError("no row is left to train on: validation took all")
            return X[:cut], y[:cut], X[cut:], y[cut:]
        X_val, y_val = validation
        X_val = _features(X_val, X.shape[1])
        return X, y, X_val, _outcomes(y_val, len(X_val))

    def _train(self, A: Floats, t: Floats, A_val: Floats, t_val: Floats) -> None:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits as log_loss

        def tensor(x: Floats) -> torch.Tensor:
            return torch.tensor(x, dtype=torch.float32)

        def net(a: torch.Tensor) -> torch.Tensor:
            for W, b in zip(parameters[:-2:2], parameters[1:-2:2]):
                a = torch.relu(torch.addmm(b, a, W))
            return torch.addmm(parameters[-1], a, parameters[-2])[:, 0]

        rng = np.random.default_rng(self.seed)
        sizes = [A.shape[1], *self.hidden, 1]
        start = initial_weights(sizes, float(t.mean()), rng)
        parameters = [tensor(x).requires_grad_() for pair in zip(*start) for x in pair]
        optimiser = torch.optim.AdamW(
            [
                {"params": parameters[::2], "weight_decay": self.weight_decay},
                {"params": parameters[1::2], "weight_decay": 0.0},
            ],
            lr=self.lr,
        )
        X, y, X_val, y_val = (tensor(x) for x in (A, t, A_val, t_val))
        history, best, kept = [], np.inf, -1
        for epoch in range(self.epochs):
            total = 0.0
            for group in optimiser.param_groups:
                group["lr"] = self.lr / (1 + epoch) ** self.decay
            order = torch.from_numpy(rng.permutation(len(X)))
            for rows in order.split(self.batch):
                optimiser.zero_grad()
                loss = log_loss(net(X[rows]), y[rows])
                loss.backward()
                optimiser.step()
                total += float(loss.detach()) * len(rows)
            with torch.no_grad():
                held_out = float(log_loss(net(X_val), y_val))
            history.append((total / len(X), held_out))
            if not np.isfinite(history[-1]).all():
                raise ValueError(f"training diverged in pass {epoch}: lower lr")
            if held_out < best:
                best, kept = held_out, epoch
                weights = [x.detach().numpy().astype(float) for x in parameters]
            elif epoch - kept >= self.patience:
                break
        self.W_, self.b_ = weights[::2], weights[1::2]
        self.history_, self.best_ = np.array(history), kept

    # Files.

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write settings and weights to one .npz file (never pickle), whole or not."""
        if not hasattr(self, "W_"):
            raise NotFittedError("MLPRanker is not fitted: call fit first")
        meta = {"format": FORMAT, "model": "MLPRanker", "settings": asdict(self)}
        arrays: dict[str, Any] = {
            "meta": np.array(json.dumps(meta | {"best": self.best_})),
            "mean": self.mean_,
            "scale": self.scale_,
            "history": self.history_,
        }
        for layer, (W, b) in enumerate(zip(self.W_, self.b_)):
            arrays |= {f"W{layer}": W, f"b{layer}": b}
        return _write_npz(Path(path), arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what ``save`` wrote; scores are equal bit for bit.

        Raises ValueError when the file is not a saved MLPRanker.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(arrays.pop("meta").item())
            if (meta["model"], meta["format"]) != ("MLPRanker", FORMAT):
                raise ValueError(f"it holds {meta['model']} in format {meta['format']}")
            model = cls(**meta["settings"])
            layers = range(len(model.hidden) + 1)
            model.W_ = [arrays[f"W{layer}"] for layer in layers]
            model.b_ = [arrays[f"b{layer}"] for layer in layers]
            model.mean_, model.scale_ = arrays["mean"], arrays["scale"]
            model.history_, model.best_ = arrays["history"], meta["best"]
        except (KeyError, TypeError, ValueError, AttributeError, EOFError) as error:
            raise ValueError(f"{path} is not a saved MLPRanker: {error}") from None
        return model
