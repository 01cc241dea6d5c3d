"""Exposure-aware re-ranking: the best lists whose exposure is spread widely enough.

Chapter 31. B lists of candidates, G creator groups with n_g eligible items, k places
with exposure v_1 >= ... >= v_k. For scores s and a re-ranking pi let

    U(pi) = (1/B) sum_u sum_j v_j s_{u, pi_u(j)}             utility a list
    E_g(pi) = (1/B) sum_u sum_j v_j 1[group of pi_u(j) = g]  exposure a list
    x_g = E_g / n_g                                          exposure an eligible item

The problem is max U subject to Gini(x) <= target, over mixtures of re-rankings. It is a
linear programme, and the best response to any prices of exposure is to sort every list
by score + boost of the group: one number a group is the whole policy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog

from streamrec.fairness.metrics import gini, position_weights
from streamrec.protocols import Recommendations

Floats = NDArray[np.float64]
Exposure = Callable[[Floats], Floats]  # E (G,) -> x (G,), past included
AIMS, NEAREST = (0.98, 0.95), 4  # lower targets, as shares; boosts to move toward
STRETCH = np.arange(1.0, 2.0, 0.1)  # multiples of the best boosts, should those fail
INFEASIBLE = 1e-5  # slack, as a share of all exposure, that counts as not reached


class TargetNotReached(ValueError):
    """No re-ranking of the given lists spreads exposure to the target."""


@dataclass(frozen=True)
class _Lists:
    """Candidates as arrays: scores (B, L), groups (B, L) codes, supply (G,), v (k,)."""

    scores: Floats
    codes: NDArray[np.intp]
    supply: Floats
    v: Floats


# derivation: eq-best-response
def best_response(d: _Lists, boost: Floats) -> tuple[float, Floats]:
    """U and E (G,) when every list is sorted by score + boost of the group.

    By the rearrangement inequality this maximises U + sum_g boost_g E_g.
    """
    top = np.argsort(-(d.scores + boost[d.codes]), axis=1, kind="stable")
    top = top[:, : d.v.size]  # (B, k)
    shown = np.take_along_axis(d.scores, top, axis=1)
    real = np.isfinite(shown)
    weight = np.where(real, d.v, 0.0)  # a padded place exposes nobody
    U = (np.where(real, shown, 0.0) * weight).sum() / len(shown)
    group = np.take_along_axis(d.codes, top, axis=1).ravel()
    E = np.bincount(group, weights=weight.ravel(), minlength=d.supply.size)
    return float(U), E / len(shown)


# derivation: eq-exposure-master
def _master(
    U: Floats, X: Floats, target: float, penalty: float
) -> tuple[float, Floats, float]:
    """Best mixture of the re-rankings found so far: value, prices of x (G,), slack.

    max sum_c a_c U_c - penalty * slack over mixtures a, with d_p >= |x_g - x_h| for
    every pair and sum_p d_p <= target * G * sum_g x_g + slack.
    """
    C, G = X.shape
    first, second = np.triu_indices(G, 1)
    P = first.size
    D = (X[:, first] - X[:, second]).T  # (P, C)
    zero = np.zeros((P, 1))
    A = np.vstack(
        [
            np.hstack([D, -np.eye(P), zero]),
            np.hstack([-D, -np.eye(P), zero]),
            np.r_[-target * G * X.sum(axis=1), np.ones(P), -1.0][None],
        ]
    )
    cost = np.r_[-U, np.zeros(P), penalty]
    mix = np.r_[np.ones(C), np.zeros(P + 1)][None]
    got = linprog(cost, A_ub=A, b_ub=np.zeros(len(A)), A_eq=mix, b_eq=[1.0])
    if got.status != 0:
        raise ValueError(f"the linear programme failed: {got.message}")
    y = -got.ineqlin.marginals  # (2P + 1,) prices of the constraints, >= 0
    push = y[:P] - y[P : 2 * P]
    price = np.full(G, y[-1] * target * G)
    np.add.at(price, first, -push)
    np.add.at(price, second, push)
    return float(-got.fun), price, float(got.x[-1])


@dataclass
class ExposureReranker:
    """Re-ranks by score + boost of the item's group; boosts from a linear programme.

    groups: index item id, value group label; every item that may be listed.
    supply: eligible items a group (default: counts of ``groups``).
    target: largest Gini of exposure per eligible item. k: places of the lists that
    ``fit`` prices. sweeps: most columns generated. tol: relative gap at which the
    programme stops.

    Learned by ``fit``: ``boost_`` (a number a group, in units of the score),
    ``gini_before_``, ``gini_``, ``utility_before_``, ``utility_``, and ``bound_``: no
    re-ranking of these lists that meets the target has a larger utility.

    >>> lists = Recommendations(np.array([0]), np.array([[1, 2]]), np.array([[2., 1.]]))
    >>> fair = ExposureReranker(pd.Series(["a", "b"], index=[1, 2]), target=0.2, k=2)
    >>> fair.fit(lists).gini_ <= 0.2
    True
    """

    groups: pd.Series
    supply: pd.Series | None = None
    target: float = 0.30
    k: int = 10
    sweeps: int = 150
    tol: float = 5e-5
    boost_: pd.Series = field(init=False, repr=False)
    gini_before_: float = field(default=float("nan"), init=False)
    gini_: float = field(default=float("nan"), init=False)
    utility_before_: float = field(default=float("nan"), init=False)
    utility_: float = field(default=float("nan"), init=False)
    bound_: float = field(default=float("nan"), init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.target < 1:
            raise ValueError(f"target is a Gini in [0, 1), not {self.target}")
        if self.k < 1 or self.sweeps < 1:
            raise ValueError("k and sweeps must be at least 1")
        if self.groups.index.has_duplicates:
            twice = self.groups.index[self.groups.index.duplicated()][:5].tolist()
            raise ValueError(f"items {twice} have two groups")
        if self.groups.isna().any():
            n = int(self.groups.isna().sum())
            raise ValueError(f"{n} items have no group: give them one, e.g. 'unknown'")
        if self.supply is None:
            self.supply = self.groups.value_counts().sort_index()
        lacking = sorted(set(self.groups.unique()) - set(self.supply.index), key=str)
        if lacking or (self.supply <= 0).any():
            empty = lacking or self.supply.index[self.supply <= 0].tolist()
            names = ", ".join(map(str, empty[:5]))
            raise ValueError(f"groups without an eligible item in supply: {names}")
        if len(self.supply) < 2:
            raise ValueError("a Gini needs at least two groups")

    @property
    def _supply(self) -> pd.Series:
        assert self.supply is not None  # set in __post_init__
        return self.supply

    def fit(self, lists: Recommendations, *, past: pd.Series | None = None) -> Self:
        """Find the boosts on one batch of candidate lists.

        past: exposure that groups have received before (total, in list units); the
        target then holds for past plus new, so that fairness is amortised over time.

        Raises
        ------
        TargetNotReached
            If the candidates do not allow the target; the message has the lowest Gini
            found.

        Warns
        -----
        UserWarning
            If a mixture of boosts reaches the target and no single one found does
            (``gini_`` is then above it): few lists cannot be split finely enough.
        """
        self.__dict__.pop("boost_", None)  # a fit that fails leaves no old boosts
        self.gini_ = self.utility_ = self.bound_ = float("nan")
        d = self._arrays(lists)
        before = np.zeros(d.supply.size)
        if past is not None:
            before = past.reindex(self._supply.index).to_numpy(float) / len(d.scores)
            if not np.isfinite(before).all() or (before < 0).any():
                raise ValueError("past needs a finite exposure >= 0 for every group")
        scale = d.supply.sum() / (d.v.sum() + before.sum())

        def x(E: Floats) -> Floats:
            return (before + E) / d.supply * scale

        found = [best_response(d, np.zeros(d.supply.size))]
        U0, E0 = found[0]
        self.utility_before_, self.gini_before_ = U0, gini(x(E0))
        mu, bound = np.zeros(d.supply.size), U0
        if self.gini_before_ > self.target:
            tried, bound = self._price(d, x, scale, self.target, found)
            mu = self._best(d, x, scale, tried, found)
        U, E = best_response(d, mu)
        self.utility_, self.gini_, self.bound_ = U, gini(x(E)), bound
        if self.gini_ > self.target:
            warnings.warn(
                f"one boost a group reaches {self.gini_:.3f} here, and {self.target:g} "
                "needs a mixture of boosts: fit on more lists",
                stacklevel=2,
            )
        centred = mu - mu @ d.supply / d.supply.sum()
        self.boost_ = pd.Series(centred, index=self._supply.index, name="boost")
        return self

    # derivation: eq-column-generation
    def _price(
        self,
        d: _Lists,
        x: Exposure,
        scale: float,
        target: float,
        found: list[tuple[float, Floats]],
    ) -> tuple[list[Floats], float]:
        """Column generation: boosts (G,) worth trying, best first; upper bound on U.

        ``found`` (U and E of re-rankings) starts the programme and grows by what is
        tried. Prices half way between the programme's and the best so far are asked
        for too: they wander less, and any valid prices give a valid bound.
        """
        spread = float(np.ptp(d.scores[np.isfinite(d.scores)])) or 1.0
        penalty = 10 * spread * d.v.sum()
        bound, centre, mus = np.inf, None, []
        for _ in range(self.sweeps):
            U = np.array([u for u, _ in found])
            X = np.array([x(E) for _, E in found])
            value, price, slack = _master(U, X, target, penalty)
            for ask in [price] if centre is None else [(price + centre) / 2, price]:
                mus.append(ask * scale / d.supply)  # price of x -> boost of one place
                u, E = best_response(d, mus[-1])
                found.append((u, E))
                if u + ask @ x(E) < bound:
                    bound, centre, best = float(u + ask @ x(E)), ask, mus[-1]
            if bound - value <= self.tol * max(abs(value), 1e-12):
                break
        if slack > INFEASIBLE * d.supply.size:
            low = min(gini(x(E)) for _, E in found)
            raise TargetNotReached(
                f"these lists do not reach a Gini of {target:g}; the lowest found "
                f"is {low:.3f}: retrieve more items of the rare groups, or say so"
            )
        return [best, *mus], bound

    def _best(
        self,
        d: _Lists,
        x: Exposure,
        scale: float,
        tried: list[Floats],
        found: list[tuple[float, Floats]],
    ) -> Floats:
        """The boosts of largest utility among those that meet the target.

        The optimum is a mixture of re-rankings with nearly equal boosts, some of them a
        little above the target. So boosts for slightly lower targets are found too, and
        the best prices are moved toward each of them until they comply.
        """

        def meets(mu: Floats) -> bool:
            return gini(x(best_response(d, mu)[1])) <= self.target

        safe = [mu for mu in (tried[0] * t for t in STRETCH) if meets(mu)][:1]
        for aim in AIMS:
            try:
                lower, _ = self._price(d, x, scale, aim * self.target, found)
            except TargetNotReached:
                break
            safe += [mu for mu in lower if meets(mu)]
        ready = [mu for mu in tried if meets(mu)]
        safe.sort(key=lambda mu: -best_response(d, mu)[0])
        for goal in safe[:NEAREST]:
            low, high = 0.0, 1.0  # tried[0] + high (goal - tried[0]) meets the target
            while high - low > 1e-3:
                middle = (low + high) / 2
                met = meets(tried[0] + middle * (goal - tried[0]))
                low, high = (low, middle) if met else (middle, high)
            ready.append(tried[0] + high * (goal - tried[0]))
        return max(ready, key=lambda mu: best_response(d, mu)[0], default=tried[0])

    def rerank(self, lists: Recommendations, k: int) -> Recommendations:
        """The k best places by score + boost; nothing is added, padding stays last."""
        if not hasattr(self, "boost_"):
            raise ValueError("call fit first")
        if not 1 <= k <= lists.items.shape[1]:
            raise ValueError(f"k must lie in 1 .. {lists.items.shape[1]}, not {k}")
        d = self._arrays(lists)
        key = d.scores + self.boost_.to_numpy()[d.codes]
        top = np.argsort(-key, axis=1, kind="stable")[:, :k]
        items = np.take_along_axis(lists.items, top, axis=1)
        return Recommendations(lists.users, items, np.take_along_axis(key, top, axis=1))

    def _arrays(self, lists: Recommendations) -> _Lists:
        scores = np.asarray(lists.scores, dtype=float)
        if scores.ndim != 2 or scores.shape != lists.items.shape or not scores.size:
            raise ValueError(
                "lists need items and scores of one shape (B, L), B, L > 0"
            )
        if np.isnan(scores).any() or np.isposinf(scores).any():
            raise ValueError("scores must be finite, or -inf for padding")
        rows = self.groups.index.get_indexer(lists.items.ravel())
        real = np.isfinite(scores).ravel()
        if not real.any():
            raise ValueError("every place of the lists is padding")
        if (rows[real] < 0).any():
            bad = np.unique(lists.items.ravel()[real & (rows < 0)])
            raise ValueError(
                f"{bad.size} listed items have no group: {bad[:5].tolist()}"
            )
        code = self._supply.index.get_indexer(self.groups.to_numpy())
        codes = np.where(rows < 0, 0, code[rows]).reshape(scores.shape)
        v = position_weights(min(self.k, scores.shape[1]))
        return _Lists(scores, codes, self._supply.to_numpy(float), v)


def frontier(
    lists: Recommendations,
    groups: pd.Series,
    targets: Iterable[float],
    *,
    supply: pd.Series | None = None,
    k: int = 10,
) -> pd.DataFrame:
    """One row a target: target, gini, utility, bound, loss (relative to no boost).

    Targets that the candidates forbid keep their row, with NaN; a loss is a share of
    the utility of the lists as they came.
    """
    rows = []
    for target in targets:
        fair = ExposureReranker(groups, supply, target=float(target), k=k)
        try:
            fair.fit(lists)
        except TargetNotReached:
            pass
        loss = (fair.utility_before_ - fair.utility_) / abs(fair.utility_before_)
        bound = (fair.utility_before_ - fair.bound_) / abs(fair.utility_before_)
        rows.append(
            (float(target), fair.gini_, fair.utility_, fair.bound_, loss, bound)
        )
    names = ["target", "gini", "utility", "bound", "loss", "least_loss"]
    return pd.DataFrame(rows, columns=names)
