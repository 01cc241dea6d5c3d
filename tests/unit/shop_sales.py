"""Sales that several tests of Track A share."""

import numpy as np
import pandas as pd

DAY = 86_400


def shop(users=60, items=40, seed=0):
    """Sales of a small shop: two tastes, times in seconds."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(users):
        liked = np.arange(items) % 2 == u % 2
        p = np.where(liked, 4.0, 1.0) / np.arange(3, items + 3)
        n = int(rng.integers(6, 16))
        for t, i in enumerate(rng.choice(items, n, replace=False, p=p / p.sum())):
            when = 1_700_000_000 + DAY * (u + t) + int(rng.integers(3600))
            rows.append((f"c{u}", f"s{i}", when))
    return pd.DataFrame(rows, columns=["client", "sku", "when"])
