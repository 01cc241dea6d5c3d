"""Five weeks of events of a small platform, for tests of defects and monitoring."""

import numpy as np
import pandas as pd

START = pd.Timestamp("2025-03-03")


def log(weeks=5, users=300, items=60, seed=0):
    """Users with their own activity, taste and hours; a feature renewed daily."""
    rng = np.random.default_rng(seed)
    days = 7 * weeks
    rate = rng.lognormal(0.6, 0.6, users)[:, None] * np.where(
        np.arange(days) % 7 > 4, 1.3, 1.0
    )
    n = rng.poisson(rate)
    u, d = (np.repeat(x.ravel(), n.ravel()) for x in np.indices(n.shape))
    m = len(u)
    hour = np.clip(rng.normal(17, 3.5, m), 0, 23.99)
    pull = rng.permutation(np.arange(1, items + 1) ** -0.6)
    item = rng.choice(items, m, p=pull / pull.sum())
    taste = rng.dirichlet([2.0, 1.0, 1.0], users)
    topic = (taste[u].cumsum(axis=1) < rng.random(m)[:, None]).sum(axis=1)
    clicked = rng.random(m) < 0.25
    feature = n.cumsum(axis=1) - np.pad(n.cumsum(axis=1), ((0, 0), (7, 0)))[:, :days]
    return pd.DataFrame(
        {
            "user": u,
            "item": item,
            "timestamp": START
            + pd.to_timedelta(d, "D")
            + pd.to_timedelta((hour * 3600).astype(int), "s"),
            "topic": np.array(["news", "sport", "film"])[topic],
            "score": rng.normal(size=m) + 0.3 * (topic == 1),
            "clicked": clicked,
            "minutes": np.where(clicked, rng.lognormal(2, 0.7, m), 0.0),
            "events_7d": feature[u, d].astype(float),
        }
    )


def parts(frame, weeks=4):
    """The first weeks and the rest."""
    edge = START + pd.Timedelta(days=7 * weeks)
    return (
        frame[frame["timestamp"] < edge].reset_index(drop=True),
        frame[frame["timestamp"] >= edge].reset_index(drop=True),
    )
