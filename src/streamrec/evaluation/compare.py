"""Which of two models is better, and how sure are we? Compare user by user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b over the same users.

    difference: the mean. se: its standard error. interval: confidence interval at
    ``level``. n: users compared. wins, ties, losses: users where a is larger than,
    equal to, smaller than b. dropped: users where both are undefined (NaN).
    """

    difference: float
    se: float
    interval: tuple[float, float]
    n: int
    wins: int
    ties: int
    losses: int
    dropped: int
    level: float

    @property
    def clear(self) -> bool:
        """True if the interval does not contain zero."""
        return self.interval[0] > 0 or self.interval[1] < 0

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.difference:+.4f} (se {self.se:.4f}, "
            f"{100 * self.level:g} % interval {low:+.4f} to {high:+.4f}, "
            f"{self.n} users: {self.wins} better, {self.ties} equal, "
            f"{self.losses} worse)"
        )


# derivation
def paired_difference(
    a: ArrayLike | pd.Series, b: ArrayLike | pd.Series, *, level: float = 0.95
) -> PairedDifference:
    r"""Mean difference of two metrics measured on the same users.

    With d_u = a_u - b_u for n users,

    .. math::
        \bar d = \frac1n \sum_u d_u, \qquad
        \text{se} = \sqrt{\frac{1}{n (n - 1)} \sum_u (d_u - \bar d)^2}, \qquad
        \bar d \pm t_{n-1}\, \text{se}.

    Because Var(a - b) = Var a + Var b - 2 Cov(a, b), and easy users are easy for every
    model, this is usually far smaller than the error of two separate means.

    Parameters
    ----------
    a, b
        (n,) values. Two Series are matched by index (users), anything else by place.
    level
        Confidence level of the interval (Student t).

    Users are taken as independent. Users where both values are NaN (undefined) are
    dropped and counted. With one user the error is NaN.

    Raises
    ------
    ValueError
        Different lengths or users, nobody left, NaN on one side only (the two were
        not measured on the same held-out items), or ``level`` outside (0, 1).

    Examples
    --------
    >>> print(paired_difference([0.5, 0.7, 0.9], [0.4, 0.7, 0.6]))  # doctest: +ELLIPSIS
    +0.1333 (se 0.0882, 95 % interval -0.2461 to +0.5128, 3 users: ...)
    """
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie between 0 and 1")
    x, y = _aligned(a, b)
    undefined = np.isnan(x) & np.isnan(y)
    d = (x - y)[~undefined]
    if np.isnan(d).any():
        raise ValueError(
            f"{int(np.isnan(d).sum())} users have a value on one side only: evaluate "
            "both models on the same split"
        )
    n = len(d)
    if n == 0:
        raise ValueError("no user has a value on both sides: nothing to compare")
    mean = float(d.mean())
    se = float(d.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    t = float(stdtrit(n - 1, (1 + level) / 2)) if n > 1 else float("nan")
    return PairedDifference(
        difference=mean,
        se=se,
        interval=(mean - t * se, mean + t * se),
        n=n,
        wins=int((d > 0).sum()),
        ties=int((d == 0).sum()),
        losses=int((d < 0).sum()),
        dropped=int(undefined.sum()),
        level=level,
    )


def _aligned(
    a: ArrayLike | pd.Series, b: ArrayLike | pd.Series
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        if not (a.index.is_unique and b.index.is_unique):
            raise ValueError("a user occurs twice in the index")
        if len(a) != len(b) or not a.index.isin(b.index).all():
            raise ValueError("a and b hold different users: evaluate the same ones")
        b = b.reindex(a.index)
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"a and b must be (n,) alike, not {x.shape} and {y.shape}")
    return x, y
