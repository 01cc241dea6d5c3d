"""Held-out data that a model could really have been asked to predict.

Every function returns :class:`Split` (or a list of them) whose two halves share the
catalogues of the interactions they came from: users and items that occur only in one
half are still rows and columns of both matrices. An item without any training
interaction therefore stays in the ranking; a model has to place it somewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrec.data.interactions import Interactions


class SplitError(ValueError):
    """The interactions cannot be split like this; the message says what to do."""


@dataclass(frozen=True)
class Split:
    """Training and held-out interactions over one catalogue.

    train, test : Interactions with the same ``users`` and ``items``, so that
        ``train.matrix`` and ``test.matrix`` align cell by cell.
    """

    train: Interactions
    test: Interactions

    def __post_init__(self) -> None:
        for kind in ("users", "items"):
            a, b = getattr(self.train, kind), getattr(self.test, kind)
            if not np.array_equal(a, b):
                raise SplitError(
                    f"train and test have different {kind}: make both with subset()"
                )

    def __repr__(self) -> str:
        return (
            f"Split({len(self.train):,} train, {len(self.test):,} held out, "
            f"{self.train.n_users:,} users, {self.train.n_items:,} items)"
        )


def last_fraction(
    interactions: Interactions, fraction: float = 0.2, *, keep: int = 1
) -> Split:
    r"""Hold out the last part of every user's history.

    The interactions of a user are put in time order (ties by item id) and the last

    .. math:: h_u = \min(\lceil f\, n_u \rceil,\; n_u - \text{keep})

    of the n_u are held out: f is ``fraction``, and at least ``keep`` stay in training
    (users with fewer have none held out). This is the protocol of the book: with
    f = 0.2 MovieLens 100k has 79,619 training and 20,381 held-out interactions.

    Models never see a user's future, but they do see other users' later interactions:
    for a strict order in calendar time use :func:`global_time_split`.

    Raises
    ------
    SplitError
        Without times, or with ``fraction`` outside (0, 1).

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"user": 1, "item": [5, 6, 7], "time": [30, 10, 20]})
    >>> last_fraction(Interactions.from_frame(df), 0.2).test.frame()["item"].tolist()
    [5]
    """
    _in_open_unit(fraction, "fraction")
    n_u = np.bincount(interactions.user_index, minlength=interactions.n_users)
    # The small slack keeps 0.1 * 30 = 3.0000000000000004 from being rounded up to 4.
    held_out = np.ceil(fraction * n_u - 1e-9).astype(np.int64)
    return _hold_out_last(interactions, held_out, keep)


def leave_last_out(interactions: Interactions, n: int = 1, *, keep: int = 1) -> Split:
    """Hold out the last ``n`` interactions of every user (ties in time by item id).

    At least ``keep`` interactions of each user stay in training.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"user": 1, "item": [5, 6, 7], "time": [30, 10, 20]})
    >>> leave_last_out(Interactions.from_frame(df)).train.frame()["item"].tolist()
    [6, 7]
    """
    if n < 1:
        raise SplitError(f"n={n}: hold out at least one interaction a user")
    held_out = np.full(interactions.n_users, n, dtype=np.int64)
    return _hold_out_last(interactions, held_out, keep)


def global_time_split(
    interactions: Interactions,
    fraction: float = 0.2,
    *,
    at: float | None = None,
) -> Split:
    """Train before a moment, hold out everything from it on.

    ``at`` is the moment (same unit as ``time``); without it, the moment is that of the
    first of the last ceil(fraction * n) interactions in time order. Interactions at
    the moment itself are all held out, so a crowd of ties makes the test half larger,
    never split.

    Raises
    ------
    SplitError
        Without times, or if either half would be empty.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"user": [1, 2, 1], "item": [5, 6, 7], "time": [1, 2, 3]})
    >>> global_time_split(Interactions.from_frame(df), at=2)
    Split(1 train, 2 held out, 2 users, 3 items)
    """
    time = _need_time(interactions)
    if at is None:
        _in_open_unit(fraction, "fraction")
        n = len(time)
        at = float(np.sort(time)[n - math.ceil(fraction * n - 1e-9)])
    later = time >= at
    if later.all() or not later.any():
        raise SplitError(
            f"at={at:g} leaves one half empty: choose a moment after {time.min():g} "
            f"and up to {time.max():g}"
        )
    return _split(interactions, later)


def k_fold(
    interactions: Interactions, k: int = 5, *, seed: int | np.random.Generator
) -> list[Split]:
    """Random folds of interactions: each is held out exactly once.

    For rating prediction, where the question is a missing cell and not the future.
    Fold sizes differ by at most one. ``seed`` is an integer or a Generator.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"user": [1, 1, 2, 2, 2], "item": [5, 6, 5, 6, 7]})
    >>> [len(s.test) for s in k_fold(Interactions.from_frame(df), 2, seed=0)]
    [3, 2]
    """
    n = len(interactions)
    if not 2 <= k <= n:
        raise SplitError(f"k={k}: choose between 2 and the {n} interactions there are")
    rng = np.random.default_rng(seed)
    fold = np.arange(n) % k
    rng.shuffle(fold)
    return [_split(interactions, fold == j) for j in range(k)]


def validation_slice(
    train: Interactions | Split, fraction: float = 0.2, *, keep: int = 1
) -> Split:
    """A split *inside* the training half, for choosing settings.

    The same rule as :func:`last_fraction`, applied to ``train`` (of a split, its
    ``train`` half): the test half is never looked at. Refit on all of ``train`` with
    the chosen settings before the final evaluation.

    Examples
    --------
    >>> import pandas as pd
    >>> df = pd.DataFrame({"user": 1, "item": [5, 6, 7], "time": [30, 10, 20]})
    >>> split = last_fraction(Interactions.from_frame(df))
    >>> validation_slice(split).test.frame()["item"].tolist()
    [7]
    """
    inside = train.train if isinstance(train, Split) else train
    return last_fraction(inside, fraction, keep=keep)


def _hold_out_last(
    interactions: Interactions, held_out: NDArray[np.int64], keep: int
) -> Split:
    """Hold out the last ``held_out[u]`` of each user, leaving at least ``keep``."""
    if keep < 0:
        raise SplitError(f"keep={keep} must not be negative")
    time, user = _need_time(interactions), interactions.user_index
    n_u = np.bincount(user, minlength=interactions.n_users)
    held_out = np.clip(np.minimum(held_out, n_u - keep), 0, None)
    # Rows of items are sorted by id, so ties by row are ties by id.
    order = np.lexsort((interactions.item_index, time, user))
    ends = np.cumsum(n_u)[user[order]]  # one past the user's last place in the order
    from_end = ends - np.arange(len(order))  # 1 for the last interaction
    later = np.empty(len(order), dtype=bool)
    later[order] = from_end <= held_out[user[order]]
    return _split(interactions, later)


def _split(interactions: Interactions, test: NDArray[np.bool_]) -> Split:
    return Split(interactions.subset(~test), interactions.subset(test))


def _need_time(interactions: Interactions) -> NDArray:
    if interactions.time is None:
        raise SplitError("this split needs times: give a time column, or use k_fold")
    return interactions.time


def _in_open_unit(x: float, name: str) -> None:
    if not 0 < x < 1:
        raise SplitError(f"{name}={x} must lie between 0 and 1")
