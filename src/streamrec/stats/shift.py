"""Did something move between windows of rows that come in users, and by how much?

Chapter 28. Rows of one user are not independent, so a share, a ratio or a volume varies
as users do: every test here takes its variance from users. Weeks differ for reasons
that all users share (weather, a holiday), so the weeks of the reference say how much
two quiet weeks differ beyond that. And a change that nobody would act on is not tested
for: each test has a tolerance and asks whether the change exceeds it.

Tables are counts by user, window and level, (U, W, B): window 0 is the current one,
windows 1 to K are stretches of the reference of the same length and weekdays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from streamrec.stats.divergences import psi

Floats = NDArray[np.float64]
# Worth of the belief that quiet weeks differ by chance alone, in degrees of freedom.
PRIOR_DF = 20.0


@dataclass(frozen=True)
class Shift:
    """A measured change beside what users and weeks explain.

    value: the change as told (PSI, log ratio, difference). distance: the quantity
    tested, Q >= 0. tolerance: the Q that nobody would act on. scale, df: without change
    Q is about scale chi-square(df) for users drawn anew. between: factor by which quiet
    weeks differ more than that, at least 1, known with ``between_df`` degrees of
    freedom. p_value: chance of such a Q if the true one is at the tolerance, at most.
    """

    value: float
    distance: float
    tolerance: float
    scale: float
    df: float
    between: float
    between_df: float
    p_value: float

    def critical(self, level: float) -> float:
        """The Q that chance exceeds with probability at most ``level``."""
        chance = self.df * stats.f.isf(level, self.df, self.between_df)
        unit = self.scale * self.between
        return float((np.sqrt(self.tolerance) + np.sqrt(unit * chance)) ** 2)


def tail(
    distance: float, unit: float, df: float, other_df: float, tolerance: float = 0.0
) -> float:
    r"""How often chance gives ``distance`` when the true change is ``tolerance``.

    sqrt(Q) is the length of a change that is a true one plus chance, so by the triangle
    inequality it exceeds sqrt(tolerance) by no more than the length of chance, whose
    square over unit df has an F(df, other_df) law: at most
    P(F > (sqrt(Q) - sqrt(tolerance))^2 / (unit df)), exactly that without tolerance.

    >>> round(tail(3.84, 1.0, 1.0, 1e6), 3)
    0.05
    """
    if distance <= tolerance:
        return 1.0
    if not unit > 0:
        return 0.0
    excess = (np.sqrt(distance) - np.sqrt(tolerance)) ** 2
    return float(stats.f.sf(excess / (unit * df), df, other_df))


def table(
    users: NDArray[np.int64],
    windows: NDArray[np.int64],
    levels: NDArray[np.int64],
    shape: tuple[int, int, int],
    weights: ArrayLike | None = None,
) -> Floats:
    """Counts (U, W, B) of rows by user, window and level, or sums of ``weights``.

    >>> u, w, b = np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0, 0, 1])
    >>> table(u, w, b, (2, 2, 2)).sum(axis=0).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    U, W, B = shape
    at = (users * W + windows) * B + levels
    return (
        np.bincount(at, weights=weights, minlength=U * W * B)
        .astype(float)
        .reshape(shape)
    )


def share_shift(counts: ArrayLike, *, tolerance: float = 0.0) -> Shift:
    r"""The population stability index of window 0 against the others, tested by user.

    With shares q now and p before, PSI = sum (q - p) ln(q / p). Its law without change
    is that of a quadratic form of q - p, whose covariance V is the sum over users of
    squared influences, matched in mean and variance by scale chi-square(df). Users in
    both windows are thereby compared with themselves.

    Parameters
    ----------
    counts : (U, W, B), rows by user, window and level.
    tolerance : a PSI nobody would act on.

    Raises
    ------
    ValueError
        Fewer than two users, windows or levels, or an empty window.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> s = share_shift(rng.poisson(3.0, size=(500, 5, 4)))
    >>> s.p_value > 0.01
    True
    """
    X = _checked(counts)
    Q, scale, df, value = _shares(X[:, 0], X[:, 1:].sum(axis=1))
    ratios = []
    for k, rest in _left_out(X):
        Qk, scale_k, df_k, _ = _shares(X[:, k], rest)
        ratios.append((Qk / scale_k if scale_k > 0 else df_k, df_k))
    return _shift(value, Q, tolerance, scale, df, ratios, len(X))


def ratio_shift(
    numerator: ArrayLike,
    denominator: ArrayLike | None = None,
    *,
    tolerance: float = 0.0,
) -> Shift:
    """The log ratio of totals of window 0 against the others, tested by user.

    numerator, denominator : (U, W). Without a denominator totals of windows of equal
    length are compared: the volume. tolerance: a relative change nobody would act on
    (0.05: five per cent). ``value`` is the log ratio; ValueError for an empty total.

    >>> rows = np.random.default_rng(0).poisson(5.0, size=(400, 5))
    >>> abs(ratio_shift(rows).value) < 0.05
    True
    """
    N = np.asarray(numerator, dtype=float)
    M = None if denominator is None else np.asarray(denominator, dtype=float)
    X = _checked(N[:, :, None], levels=1)
    K = X.shape[1] - 1

    def side(n: Floats, m: Floats | None, length: float) -> tuple[float, Floats]:
        low = length if m is None else m.sum()
        if not (n.sum() > 0 and low > 0):
            raise ValueError("a window holds nothing: a ratio needs something in each")
        influence = n / n.sum() - (0.0 if m is None else m / low)
        return float(np.log(n.sum() / low)), np.asarray(influence)

    def pair(k: int, others: list[int]) -> tuple[float, float]:
        a, x = side(N[:, k], None if M is None else M[:, k], 1.0)
        b, y = side(N[:, others].sum(axis=1),
                    None if M is None else M[:, others].sum(axis=1),
                    len(others))  # fmt: skip
        U = len(N)
        return a - b, float(((x - y) ** 2).sum() * U / (U - 1))

    value, scale = pair(0, list(range(1, K + 1)))
    ratios = []
    for k in range(1, K + 1) if K > 1 else ():
        d, s = pair(k, [j for j in range(1, K + 1) if j != k])
        ratios.append((d * d / s if s > 0 else 1.0, 1.0))
    limit = float(np.log1p(tolerance)) ** 2
    return _shift(value, value**2, limit, scale, 1.0, ratios, len(N))


def ks_shift(counts: ArrayLike, *, tolerance: float = 0.0) -> Shift:
    """Kolmogorov-Smirnov distance over ordered levels, with an effective sample size.

    D = max |F - G| at the level edges. Rows of users are worth
    n_eff = min F (1 - F) / Var(F - G) independent ones, with the variance by user, and
    weeks reduce that further by the ``between`` factor; then the limit law of
    Kolmogorov holds for sqrt(n_eff) D. With few levels it is conservative.

    >>> rng = np.random.default_rng(1)
    >>> ks_shift(rng.poisson(2.0, size=(500, 5, 20))).p_value > 0.01
    True
    """
    X = _checked(counts)
    D, n = _ks(X[:, 0], X[:, 1:].sum(axis=1))
    base = share_shift(X)
    n /= base.between
    excess = max(D - tolerance, 0.0)
    p = float(stats.kstwobign.sf(excess * np.sqrt(n)))
    return Shift(
        D, D, tolerance, 1 / n if n else 0.0, 1.0, base.between, base.between_df, p
    )


def ks_critical(s: Shift, level: float) -> float:
    """The distance D that chance exceeds with probability ``level`` (``ks_shift``)."""
    return float(s.tolerance + stats.kstwobign.isf(level) * np.sqrt(s.scale))


def rare_shift(
    now: int, users: int, before: int, users_before: int, *, least: int = 2
) -> float:
    """P-value of events that touch few users: are more users touched than before?

    Exact for independent users whatever the rows of one do: hypergeometric tail of
    ``now`` among now + before touched users. 1 below ``least`` touched users.

    >>> round(rare_shift(30, 1000, 2, 4000), 12), rare_shift(1, 1000, 0, 4000)
    (0.0, 1.0)
    """
    if now < least:
        return 1.0
    total = users + users_before
    return float(stats.hypergeom.sf(now - 1, total, now + before, users))


# ----------------------------------------------------------------------- mechanics


def _checked(counts: ArrayLike, levels: int = 2) -> Floats:
    X = np.asarray(counts, dtype=float)
    if X.ndim != 3 or X.shape[0] < 2 or X.shape[1] < 2 or X.shape[2] < levels:
        raise ValueError(
            f"counts are (users, windows, levels) with at least 2, 2 and {levels}, "
            f"not of shape {X.shape}"
        )
    if (X.sum(axis=(0, 2)) <= 0).any():
        raise ValueError("a window holds no rows: there is nothing to compare")
    return X


def _left_out(X: Floats) -> list[tuple[int, Floats]]:
    """Each window of the reference beside the sum of the others."""
    K = X.shape[1] - 1
    if K < 2:
        return []
    whole = X[:, 1:].sum(axis=1)
    return [(k, whole - X[:, k]) for k in range(1, K + 1)]


def _influence(n: Floats) -> tuple[Floats, Floats]:
    """Shares (B,) and the influence of each user on them, (U, B)."""
    N = n.sum()
    share = n.sum(axis=0) / N
    return share, (n - n.sum(axis=1, keepdims=True) * share) / N


def _shares(a: Floats, b: Floats) -> tuple[float, float, float, float]:
    """Q, scale, df of two windows (U, B), and the index as told."""
    used = (a.sum(axis=0) + b.sum(axis=0)) > 0
    a, b = a[:, used], b[:, used]
    U, B = a.shape
    (q, x), (p, y) = _influence(a), _influence(b)
    half = 0.5 / U  # half a user in every level: no level is empty
    q, p = (q + half) / (1 + B * half), (p + half) / (1 + B * half)
    value = float(psi(q, p))
    Z = (x - y) / np.sqrt((p + q) / 2)
    V = Z.T @ Z * U / (U - 1)
    mean, square = float(np.trace(V)), float((V**2).sum())
    if not mean > 0:
        return value, 0.0, 1.0, value
    return value, square / mean, mean**2 / square, value


def _ks(a: Floats, b: Floats) -> tuple[float, float]:
    """D, and the independent rows that the users are worth."""
    U = len(a)
    (q, x), (p, y) = _influence(a), _influence(b)
    F, G = q.cumsum()[:-1], p.cumsum()[:-1]
    V = ((x - y).cumsum(axis=1)[:, :-1] ** 2).sum(axis=0) * U / (U - 1)
    H = (F + G) / 2
    use = (V > 0) & (H > 0.02) & (H < 0.98)
    n = float((H * (1 - H) / np.where(V > 0, V, 1))[use].min()) if use.any() else 0.0
    return float(np.abs(F - G).max()), n


def _shift(
    value: float,
    Q: float,
    tolerance: float,
    scale: float,
    df: float,
    ratios: list[tuple[float, float]],
    users: int,
) -> Shift:
    """Put users, weeks and tolerance together; weeks are shrunk towards chance."""
    known = sum(d for _, d in ratios)
    between = (PRIOR_DF + sum(r for r, _ in ratios)) / (PRIOR_DF + known)
    between = max(1.0, between)
    other = float(min(PRIOR_DF + known, users - 1))
    p = tail(Q, scale * between, df, other, tolerance)
    return Shift(value, Q, tolerance, scale, df, between, other, p)
