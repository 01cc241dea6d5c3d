"""Entropy and mutual information from data, and features ranked by it.

Chapter 4. In nats. The plug-in estimate puts frequencies into the definition and is
biased upwards for mutual information by (K_x - 1)(K_y - 1) / 2n to first order; what to
do about it is an argument: ``correction`` for independent rows, ``groups`` for rows
that come in groups (impressions of one user).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma, entr

from streamrec.stats.divergences import bin_codes, quantile_edges

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
CORRECTIONS = ("none", "miller-madow")


def _corrected(correction: str) -> bool:
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {CORRECTIONS}, not {correction!r}")
    return correction == "miller-madow"


# derivation: eq-it-mm
def entropy_of_counts(counts: ArrayLike, *, correction: str = "none") -> float:
    """Entropy of the distribution behind counts (K,), any shape is flattened.

    Plug-in H = -sum (n_k / n) ln(n_k / n); "miller-madow" adds (K' - 1) / 2n with K'
    the number of cells that were seen.

    >>> entropy_of_counts([2, 2], correction="miller-madow") - entropy_of_counts([2, 2])
    0.125
    """
    c = np.asarray(counts, dtype=float).ravel()
    if not np.isfinite(c).all() or (c < 0).any() or c.sum() == 0:
        raise ValueError("counts must be finite, >= 0 and not all zero")
    n = c.sum()
    h = entr(c / n).sum()
    if _corrected(correction):
        h = h + ((c > 0).sum() - 1) / (2 * n)
    return float(h)


def _codes(*labels: ArrayLike) -> list[NDArray[np.int64]]:
    """Labels (n,) of any type as integers 0..K-1, all of one length."""
    out = [np.unique(np.asarray(v), return_inverse=True)[1].ravel() for v in labels]
    if len({v.size for v in out}) != 1 or out[0].size == 0:
        raise ValueError("the columns need one common length, at least 1")
    return out


def _joint(*codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of the combinations that occur, one number each."""
    cell = codes[0]
    for code in codes[1:]:
        cell = np.unique(cell * (code.max() + 1) + code, return_inverse=True)[1]
    return np.bincount(cell)


# derivation: eq-it-mi
def mutual_information(
    x: ArrayLike, y: ArrayLike, *, correction: str = "none"
) -> float:
    """I(X;Y) = H(X) + H(Y) - H(X,Y) of two columns of labels (n,).

    The corrected value may be negative; that is what unbiased around zero means.

    >>> round(mutual_information(["a", "a", "b", "b"], [0, 0, 1, 1]), 4)
    0.6931
    """
    a, b = _codes(x, y)
    parts = (np.bincount(a), np.bincount(b), _joint(a, b))
    H_x, H_y, H_xy = (entropy_of_counts(c, correction=correction) for c in parts)
    return H_x + H_y - H_xy


# derivation: eq-it-cmi
def conditional_mutual_information(
    x: ArrayLike, y: ArrayLike, z: ArrayLike, *, correction: str = "none"
) -> float:
    """I(X;Y|Z) = H(X,Z) + H(Y,Z) - H(X,Y,Z) - H(Z) of columns of labels (n,).

    >>> x, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> round(conditional_mutual_information(x, x ^ y, y), 4)
    0.6931
    """
    a, b, c = _codes(x, y, z)
    parts = (_joint(a, c), _joint(b, c), _joint(a, b, c), np.bincount(c))
    H_xz, H_yz, H_xyz, H_z = (
        entropy_of_counts(counts, correction=correction) for counts in parts
    )
    return H_xz + H_yz - H_xyz - H_z


# ------------------------------------------------------------ continuous variables


def _columns(x: ArrayLike, name: str) -> Floats:
    """(n, d), each column divided by its standard deviation."""
    v = np.asarray(x, dtype=float)
    v = v[:, None] if v.ndim == 1 else v
    if v.ndim != 2 or not np.isfinite(v).all():
        raise ValueError(f"{name} must be (n,) or (n, d) with finite values")
    scale = v.std(axis=0)
    if (scale == 0).any():
        raise ValueError(f"a column of {name} is constant: it carries no information")
    return np.asarray(v / scale)


def _strictly_within(v: Floats, radius: Floats) -> NDArray[np.int64]:
    """How many other points lie closer than ``radius`` in the maximum norm: (n,)."""
    inside = radius * (1 - 1e-10)  # strictly, with room for rounding
    if v.shape[1] == 1:
        line = np.sort(v[:, 0])
        high = np.searchsorted(line, v[:, 0] + inside, side="right")
        return np.asarray(high - np.searchsorted(line, v[:, 0] - inside) - 1)
    found = cKDTree(v).query_ball_point(v, inside, p=np.inf, return_length=True)
    return np.asarray(found) - 1


# derivation: eq-it-ksg
def ksg(x: ArrayLike, y: ArrayLike, *, k: int = 3) -> float:
    """Mutual information of continuous x (n,) or (n, d) and y by nearest neighbours.

    psi(n) + psi(k) - mean(psi(n_x + 1) + psi(n_y + 1)), where n_x counts the points
    closer in x than the k-th neighbour in (x, y), maximum norm, columns scaled to unit
    standard deviation: the first estimator of Kraskov, Stoegbauer and Grassberger. It
    can never exceed psi(n) - psi(k). Not for data with ties.

    Raises
    ------
    ValueError
        For shapes that differ, constant columns, k outside 1..n-1, repeated points.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=500)
    >>> bool(abs(ksg(x, x + rng.normal(size=500)) - np.log(2) / 2) < 0.1)
    True
    """
    X, Y = _columns(x, "x"), _columns(y, "y")
    n = len(X)
    if len(Y) != n:
        raise ValueError(f"x has {n} rows and y has {len(Y)}")
    if not 1 <= k < n:
        raise ValueError(f"k must be between 1 and n - 1 = {n - 1}, not {k}")
    XY = np.hstack([X, Y])
    radius = cKDTree(XY).query(XY, k + 1, p=np.inf)[0][:, -1]  # (n,) itself is first
    if (radius == 0).any():
        raise ValueError(
            f"more than {k} points coincide: bin the data and use mutual_information"
        )
    n_x, n_y = _strictly_within(X, radius), _strictly_within(Y, radius)
    near = np.mean(digamma(n_x + 1) + digamma(n_y + 1))
    return float(digamma(n) + digamma(k) - near)


# ------------------------------------------------------------ ranking features


# derivation: eq-it-mi
def _plug_in(tables: Floats) -> Floats:
    """Mutual information of each contingency table of a stack (..., K_x, K_y)."""
    p = tables / tables.sum(axis=(-2, -1), keepdims=True)
    h_x, h_y = entr(p.sum(axis=-1)).sum(axis=-1), entr(p.sum(axis=-2)).sum(axis=-1)
    return np.asarray(h_x + h_y - entr(p).sum(axis=(-2, -1)))


# derivation: eq-it-jackknife
def _jackknife(tables: Floats) -> tuple[float, float]:
    """Estimate and standard error from tables (G, K_x, K_y), leaving each group out.

    G I - (G - 1) mean(I_-g) removes a bias of order 1/G whatever its constant.
    """
    G, total = len(tables), tables.sum(axis=0)
    left_out = _plug_in(total - tables)  # (G,)
    estimate = G * _plug_in(total) - (G - 1) * left_out.mean()
    spread = ((left_out - left_out.mean()) ** 2).sum()
    return float(estimate), float(np.sqrt((G - 1) / G * spread))


# derivation: eq-it-mivar
def _independent(table: Floats) -> tuple[float, float]:
    """Miller-Madow estimate and delta-method standard error from one table."""
    n, p = table.sum(), table / table.sum()
    p_x, p_y = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    seen = p > 0
    spare = (p_x > 0).sum() + (p_y > 0).sum() - seen.sum() - 1
    plug_in = float(_plug_in(table))
    ratio = np.log(p[seen] / (p_x * p_y)[seen])
    variance = (p[seen] * ratio**2).sum() - plug_in**2
    return plug_in + spare / (2 * n), float(np.sqrt(max(variance, 0) / n))


def rank_features(
    X: ArrayLike,
    y: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    bins: int = 10,
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """Features by the information each alone has about the label, most first.

    X (n, p) numbers (missing values are a bin of their own), y (n,) labels. Each column
    is cut at its quantiles into at most ``bins`` bins. With ``groups`` (n,) bias and
    standard error come from a jackknife over groups; without, rows are taken as
    independent: Miller-Madow and the delta method. Near zero information the standard
    error is too small: compare with what shuffled labels give.

    Returns a table, index feature: mi (nats), se, plug_in, bins, share (mi / H(y)).

    Raises
    ------
    ValueError
        For shapes that do not fit, fewer than two classes or groups.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 2000)
    >>> X = np.column_stack([rng.normal(size=2000), y + rng.normal(size=2000)])
    >>> rank_features(X, y, ["noise", "signal"]).index.tolist()
    ['signal', 'noise']
    """
    import pandas as pd

    X = np.asarray(X, dtype=float)
    if X.ndim != 2 or X.shape[0] != np.size(y):
        raise ValueError(f"X must be (n, p) with a row a label, not {X.shape}")
    names = [f"x{j}" for j in range(X.shape[1])] if names is None else list(names)
    if len(names) != X.shape[1]:
        raise ValueError(f"{len(names)} names for {X.shape[1]} columns")
    (label,) = _codes(y)
    H_y = entropy_of_counts(np.bincount(label))
    if H_y == 0:
        raise ValueError("y has one class only: there is nothing to tell about it")
    (group,) = [np.zeros(len(label), int)] if groups is None else _codes(groups)
    if len(group) != len(label) or (groups is not None and group.max() == 0):
        raise ValueError("groups needs an entry a row and at least two groups")
    rows = []
    for column in X.T:
        code = bin_codes(column, quantile_edges(column, bins))
        shape = (group.max() + 1, code.max() + 1, label.max() + 1)
        cell = np.ravel_multi_index((group, code, label), shape)
        tables = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape) * 1.0
        whole = tables.sum(axis=0)
        mi, se = _independent(whole) if groups is None else _jackknife(tables)
        used = int((whole.sum(axis=1) > 0).sum())
        rows.append((mi, se, float(_plug_in(whole)), used, mi / H_y))
    table = pd.DataFrame(
        rows,
        index=pd.Index(names, name="feature"),
        columns=["mi", "se", "plug_in", "bins", "share"],
    )
    return table.sort_values("mi", ascending=False, kind="stable")
