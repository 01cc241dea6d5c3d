"""Equalised odds after training: the best randomised thresholds, exactly.

Chapter 31; the problem is Hardt, Price and Srebro's (2016), solved here as one linear
programme over the corners of each group's ROC hull.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

Floats = NDArray[np.float64]
CONSTRAINTS = ("equalized_odds", "equal_opportunity", "demographic_parity")


# derivation: eq-roc
def roc_points(y: NDArray[np.bool_], s: Floats) -> tuple[Floats, Floats, Floats]:
    """Thresholds (m,), false- and true-positive rates (m,) of the rule s >= threshold.

    From "select nobody" (threshold inf) to "select everybody".
    """
    thresholds: Floats = np.r_[np.inf, np.unique(s)[::-1]]  # (m,) descending
    pos, neg = np.sort(s[y]), np.sort(s[~y])
    tpr: Floats = 1 - np.searchsorted(pos, thresholds, side="left") / pos.size
    fpr: Floats = 1 - np.searchsorted(neg, thresholds, side="left") / neg.size
    return thresholds, fpr, tpr


# derivation: eq-hull
def upper_hull(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Indices of the upper concave hull of points sorted by x (then y)."""
    keep: list[int] = []
    for i in range(x.size):
        while len(keep) >= 2:
            a, b = keep[-2], keep[-1]
            cross = (x[b] - x[a]) * (y[i] - y[a]) - (y[b] - y[a]) * (x[i] - x[a])
            if cross < 0:  # b lies above the line from a to i: a true corner
                break
            keep.pop()
        keep.append(i)
    return np.array(keep)


@dataclass
class FairThresholds:
    """Randomised group thresholds that minimise expected cost under a constraint.

    For group a let w_aj >= 0, sum_j w_aj = 1, be the probability of using corner j of
    its ROC hull (of the lower hull too: points below the diagonal are never useful for
    the minimum alone, but equality with a worse group may need them). Minimise

        sum_a P(a) [c_fp (1 - pi_a) FPR_a(w) + c_fn pi_a (1 - TPR_a(w))]

    subject to equal FPR and TPR (equalised odds), equal TPR (equal opportunity) or
    equal selection rates (demographic parity). pi_a is the base rate of group a.

    cost_fp, cost_fn: costs of the two errors. Learned: ``mix_`` (group -> thresholds,
    probabilities), ``cost_`` (per unit), ``rates_`` (group -> (fpr, tpr)).
    """

    constraint: str = "equalized_odds"
    cost_fp: float = 1.0
    cost_fn: float = 1.0
    mix_: dict[Any, tuple[Floats, Floats]] = field(default_factory=dict, init=False)
    rates_: dict[Any, tuple[float, float]] = field(default_factory=dict, init=False)
    cost_: float = field(default=float("nan"), init=False)

    def fit(self, y: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> Self:
        """Solve the linear programme on y (n,) in {0, 1}, scores (n,), groups (n,).

        Raises
        ------
        ValueError
            For an unknown constraint, negative costs, NaN scores, units without a
            group, or a group that lacks positives or negatives (its rates are
            undefined; the message names it).

        >>> y, s, g = [0, 1, 0, 1], [0.2, 0.9, 0.4, 0.6], ["a", "a", "b", "b"]
        >>> FairThresholds().fit(y, s, g).cost_
        0.0
        """
        if self.constraint not in CONSTRAINTS:
            raise ValueError(f"constraint must be one of {', '.join(CONSTRAINTS)}")
        if self.cost_fp < 0 or self.cost_fn < 0:
            raise ValueError("costs must not be negative")
        truth, s, labels = _validated(y, scores, groups)
        names = np.unique(labels)
        corners = [_corners(truth[labels == a], s[labels == a], a) for a in names]
        share = np.array([(labels == a).mean() for a in names])
        base = np.array([truth[labels == a].mean() for a in names])
        weights = _solve(corners, share, base, self)
        self.mix_, self.rates_, self.cost_ = {}, {}, 0.0
        for a, (t, fpr, tpr), w, p, pi in zip(
            names, corners, weights, share, base, strict=True
        ):
            used = w > 1e-12
            label = a.item() if hasattr(a, "item") else a
            self.mix_[label] = (t[used], w[used] / w[used].sum())
            f, h = float(w @ fpr), float(w @ tpr)
            self.rates_[label] = (f, h)
            cost = self.cost_fp * (1 - pi) * f + self.cost_fn * pi * (1 - h)
            self.cost_ += float(p * cost)
        return self

    # derivation: eq-randomised-threshold
    def probability(self, scores: ArrayLike, groups: ArrayLike) -> Floats:
        """Chance (n,) that each unit is selected: sum_j w_aj 1[score >= t_aj]."""
        if not self.mix_:
            raise ValueError("call fit first")
        s, labels = np.asarray(scores, dtype=float), np.asarray(groups)
        if s.shape != labels.shape or s.ndim != 1:
            raise ValueError("scores and groups need one common shape (n,)")
        if not np.isfinite(s).all():
            n = int((~np.isfinite(s)).sum())
            raise ValueError(f"{n} scores are not finite: nobody is decided by default")
        unknown = sorted(set(labels.tolist()) - set(self.mix_), key=str)
        if unknown:
            raise ValueError(f"groups {unknown[:5]} were not seen in fit")
        out = np.empty(s.size)
        for a, (t, w) in self.mix_.items():
            here = labels == a
            out[here] = (s[here, None] >= t) @ w
        return out

    def predict(
        self, scores: ArrayLike, groups: ArrayLike, *, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw decisions (n,) in {0, 1} with ``probability``."""
        p = self.probability(scores, groups)
        return (rng.uniform(size=p.size) < p).astype(np.int64)


def _validated(
    y: ArrayLike, scores: ArrayLike, groups: ArrayLike
) -> tuple[NDArray[np.bool_], Floats, NDArray[Any]]:
    truth, s, labels = (
        np.asarray(y),
        np.asarray(scores, dtype=float),
        np.asarray(groups),
    )
    if not (truth.shape == s.shape == labels.shape and s.ndim == 1 and s.size):
        raise ValueError("y, scores and groups need one common, non-empty shape (n,)")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("y must hold only 0 and 1")
    if not np.isfinite(s).all():
        raise ValueError("scores must be finite")
    missing = int(pd.isna(labels).sum())
    if missing:
        raise ValueError(f"{missing} units have no group: give them a label")
    return truth.astype(bool), s, labels


def _corners(
    truth: NDArray[np.bool_], s: Floats, name: Any
) -> tuple[Floats, Floats, Floats]:
    """Corners of the group's hull: thresholds, FPR, TPR, each (m,)."""
    if truth.all() or not truth.any():
        kind = "negatives" if truth.all() else "positives"
        raise ValueError(f"group {name} has no {kind}: its error rates are undefined")
    t, fpr, tpr = roc_points(truth, s)
    top = upper_hull(fpr, tpr)
    flipped = upper_hull(fpr, -tpr)  # the lower hull: needed where equality forces it
    keep = np.unique(np.r_[top, flipped])
    return t[keep], fpr[keep], tpr[keep]


# derivation: eq-equalised-odds-lp
def _solve(
    corners: list[tuple[Floats, Floats, Floats]],
    share: Floats,
    base: Floats,
    rule: FairThresholds,
) -> list[Floats]:
    """Mixing weights, one vector a group."""
    sizes = [t.size for t, _, _ in corners]
    starts = np.cumsum([0, *sizes])
    c = np.concatenate(
        [
            p * (rule.cost_fp * (1 - pi) * fpr - rule.cost_fn * pi * tpr)
            for (_, fpr, tpr), p, pi in zip(corners, share, base, strict=True)
        ]
    )
    rows, rhs = [], []
    for g in range(len(corners)):
        row = np.zeros(c.size)
        row[starts[g] : starts[g + 1]] = 1
        rows.append(row)
        rhs.append(1.0)
    for rate in _constrained(corners, base, rule.constraint):
        for g in range(1, len(corners)):
            row = np.zeros(c.size)
            row[starts[0] : starts[1]] = rate[0]
            row[starts[g] : starts[g + 1]] = -rate[g]
            rows.append(row)
            rhs.append(0.0)
    result = linprog(c, A_eq=np.array(rows), b_eq=np.array(rhs), bounds=(0, 1))
    if result.status != 0:
        raise ValueError(f"the linear programme failed: {result.message}")
    return [result.x[starts[g] : starts[g + 1]] for g in range(len(corners))]


def _constrained(
    corners: list[tuple[Floats, Floats, Floats]], base: Floats, constraint: str
) -> list[list[Floats]]:
    """For each equalised rate, its value at every corner of every group."""
    fpr = [f for _, f, _ in corners]
    tpr = [t for _, _, t in corners]
    if constraint == "equalized_odds":
        return [fpr, tpr]
    if constraint == "equal_opportunity":
        return [tpr]
    return [[(1 - b) * f + b * t for f, t, b in zip(fpr, tpr, base, strict=True)]]
