"""A table to build features from: viewers who may leave, and what they watched.

Chapter 28. Each viewer is asked about three times; the label is known 30 days later. It
depends on how much less was watched in the last week than before, on the plan, and on
the city. Watching *after* the question is in the events too, and tells of the label: a
step that saw it would look splendid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

RECIPE = """\
name: churn
label: churned
entity: user_id
time: asked_at
label_delay: 30d
steps:
  - {kind: number, columns: [price, age], clip: [0.01, 0.99]}
  - {kind: onehot, columns: [plan], min_count: 50}
  - {kind: target, columns: [city], smooth: 20}
  - {kind: elapsed, columns: [signup]}
  - {kind: rolling, columns: [minutes], windows: [7d, 30d], stats: [sum, count]}
  - {kind: rfm, columns: [minutes]}
  - {kind: lag, columns: [minutes], steps: [1, 2]}
  - {kind: ratio, columns: [minutes_sum_7d, minutes_sum_30d]}
"""
ASKED = np.array(["2026-03-01", "2026-04-01", "2026-05-01"], "datetime64[s]")


def viewers(n: int = 1_000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Questions (3 n rows, label ``churned``) and events (a row a time of watching).

    >>> rows, events = viewers(20)
    >>> len(rows), events.columns.tolist()
    (60, ['user_id', 'asked_at', 'minutes'])
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    who, i = np.repeat(np.arange(n), 3), np.arange(3 * n)
    asked = np.tile(ASKED, n)
    city, plan = (
        rng.zipf(1.6, n).clip(max=200),
        rng.choice(4, n, p=[0.6, 0.3, 0.09, 0.01]),
    )
    weary = rng.normal(size=3 * n)  # watches less before the question, and leaves
    logit = -1.4 + 1.2 * weary + np.array([0.5, 0, -0.5, 0])[plan][who]
    logit += 0.8 * np.sin(7.0 * city)[who]
    left = rng.random(3 * n) < 1 / (1 + np.exp(-logit))
    rows = pd.DataFrame(
        {
            "user_id": [f"v{k:05d}" for k in who],
            "asked_at": asked,
            "churned": left.astype(int),
            "plan": np.array(["basic", "family", "student", "trial"])[plan][who],
            "city": [f"city{k}" for k in city[who]],
            "price": np.array([9.0, 15.0, 5.0, 0.0])[plan][who],
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.integers(18, 80, n))[who],
            "signup": (ASKED[0] - rng.integers(5, 900, n) * 86_400)[who],
        }
    )
    before, after = rng.poisson(8, 3 * n), rng.poisson(np.where(left, 1, 8))
    last = rng.poisson(2.5 * np.exp(-0.5 * weary))
    times = [
        (before, rng.uniform(7, 30, before.sum()), i),
        (last, rng.uniform(0, 7, last.sum()), i),
        (after, -rng.uniform(0, 28, after.sum()), i),
    ]
    parts = [(np.repeat(k, count), days) for count, days, k in times]
    row = np.concatenate([k for k, _ in parts])
    days = np.concatenate([d for _, d in parts])
    events = pd.DataFrame(
        {
            "user_id": rows["user_id"].to_numpy()[row],
            "asked_at": asked[row] - (days * 86_400).astype("timedelta64[s]"),
            "minutes": rng.gamma(3.0, 12.0, len(row)).round(1),
        }
    )
    return rows, events.sort_values("asked_at", ignore_index=True)
