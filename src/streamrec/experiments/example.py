"""An experiment to try the tools on: users of a small shop, effects known.

Chapter 33. True effects: conversion 10 % to 12 %, minutes +1 (sd 12, correlation 0.7
with the minutes before), click-through rate unchanged, crashes unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamrec.experiments.assignment import assign

if TYPE_CHECKING:
    import pandas as pd

PLAN = """\
name: example
unit: user_id
variant: variant
arms: {control: 0.5, treatment: 0.5}
metrics:
  - {name: conversion, kind: binary, column: converted, role: primary}
  - {name: minutes, kind: mean, column: minutes, covariate: minutes_before}
  - {name: CTR, kind: ratio, column: clicks, denominator: impressions}
  - name: crashes
    kind: mean
    column: crashes
    role: guardrail
    better: lower
    margin: 0.2
balance: [minutes_before]
segments: [country]
day: day
"""


def users(n: int = 20_000, seed: int = 0) -> pd.DataFrame:
    """A row for each of n users.

    >>> users(4).columns.tolist()[:3]
    ['user_id', 'variant', 'day']
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    ids = [f"u{i:06d}" for i in range(n)]
    arm = assign(ids, {"control": 0.5, "treatment": 0.5}, f"example-{seed}")
    d = (arm == "treatment").astype(float)
    before = rng.gamma(4.0, 6.0, n)
    noise = 12.0 * np.sqrt(1 - 0.49) * rng.normal(size=n)
    impressions = 1 + rng.negative_binomial(1.0, 0.05, n)
    rate = rng.beta(2.0, 18.0, n)
    start = np.datetime64("2026-01-05")
    return pd.DataFrame(
        {
            "user_id": ids,
            "variant": arm,
            "day": (start + rng.integers(0, 14, n)).astype(str),
            "country": rng.choice(["AT", "BR", "CA", "DE"], n),
            "minutes_before": before.round(2),
            "converted": rng.binomial(1, 0.10 + 0.02 * d),
            "minutes": (10 + 0.7 * before + noise + d).round(2),
            "clicks": rng.binomial(impressions, rate),
            "impressions": impressions,
            "crashes": rng.poisson(0.5, n),
        }
    )
