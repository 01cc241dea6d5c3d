"""Many tests at once: adjusted p-values that keep a stated error rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def _values(p: ArrayLike) -> Array:
    x = np.asarray(p, float)
    if x.ndim != 1 or x.size == 0 or not ((x >= 0) & (x <= 1)).all():
        raise ValueError("p-values must be a list of numbers from 0 to 1")
    return x


# derivation
def bonferroni(p: ArrayLike) -> Array:
    r"""Adjusted p-values :math:`\min(1, m\,p_i)`, in the order given.

    Rejecting where adjusted <= alpha keeps the probability of *any* false rejection
    (family-wise error) at most alpha, whatever the dependence.

    Examples
    --------
    >>> bonferroni([0.01, 0.04, 0.5])
    array([0.03, 0.12, 1.  ])
    """
    x = _values(p)
    return np.minimum(1.0, len(x) * x)


# derivation
def holm(p: ArrayLike) -> Array:
    r"""Holm's adjusted p-values: family-wise error at most alpha, never worse than
    Bonferroni's.

    For sorted values :math:`\tilde p_{(i)}=\max_{j\le i}\min(1,(m-j+1)p_{(j)})`.

    Source: Holm (1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    x = _values(p)
    m = len(x)
    order = np.argsort(x, kind="stable")
    stepped = np.minimum(1.0, (m - np.arange(m)) * x[order])
    out = np.empty(m)
    out[order] = np.maximum.accumulate(stepped)
    return out


# derivation
def benjamini_hochberg(p: ArrayLike) -> Array:
    r"""Benjamini and Hochberg's adjusted p-values (false discovery rate).

    For sorted values :math:`\tilde p_{(i)}=\min_{j\ge i}\min(1,m\,p_{(j)}/j)`.
    Rejecting where adjusted <= q keeps the *expected share* of false rejections among
    all at most q for independent tests.

    Source: Benjamini and Hochberg (1995).

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(4).tolist()
    [0.03, 0.04, 0.04]
    """
    x = _values(p)
    m = len(x)
    order = np.argsort(x, kind="stable")
    stepped = np.minimum(1.0, m * x[order] / (1 + np.arange(m)))
    out = np.empty(m)
    out[order] = np.minimum.accumulate(stepped[::-1])[::-1]
    return out
