"""A table to try the tools on: will a user leave? Truth known, users over weeks.

Chapter 28. log-odds of leaving = -2 - 0.8 activity + 0.5 (support calls - 1)
+ 0.6 (trial) + a user's own part (sd 0.6). ``new`` knows all but the own part; ``old``
sees activity through noise and exaggerates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def users(n: int = 2_500, weeks: int = 8, seed: int = 0) -> pd.DataFrame:
    """Up to ``weeks`` rows for each of n users, with the label and two predictions.

    >>> users(3).columns.tolist()[:4]
    ['row', 'user', 'week', 'country']
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), rng.integers(1, weeks + 1, n))
    m = len(who)
    base = rng.normal(size=n)[who]
    activity = 0.8 * base + 0.6 * rng.normal(size=m)
    calls = rng.poisson(1.0, m)
    plan = rng.choice(["trial", "monthly", "yearly"], n, p=[0.2, 0.5, 0.3])[who]
    known = -2 - 0.8 * activity + 0.5 * (calls - 1) + 0.6 * (plan == "trial")
    truth = known + 0.6 * rng.normal(size=n)[who]
    blurred = -2.2 - 1.3 * (activity + 0.7 * rng.normal(size=m))
    return pd.DataFrame(
        {
            "row": [f"r{i:06d}" for i in range(m)],
            "user": [f"u{i:05d}" for i in who],
            "week": rng.integers(0, weeks, m),
            "country": rng.choice(["AT", "BR", "CA", "DE"], n)[who],
            "activity": activity.round(4),
            "calls": calls,
            "plan": plan,
            "left": (rng.random(m) < 1 / (1 + np.exp(-truth))).astype(int),
            "new": (1 / (1 + np.exp(-0.96 * known))).round(6),
            "old": (1 / (1 + np.exp(-blurred))).round(6),
        }
    )


def tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training weeks (the first six) and test weeks (the last two)."""
    whole = users(seed=seed)
    early = whole["week"] < 6
    return whole[early].reset_index(drop=True), whole[~early].reset_index(drop=True)
