"""Do nominal 95 % intervals cover? A study over many streaming worlds.

In each world a sample of users is logged for a week (bernoulli mode, interference off).
Three targets are told apart:

SATE    the mean effect of the sampled users' cells,
PATE    the mean effect of all users of the same world: the sampled population,
worlds  the mean PATE over all worlds of the study.

The estimators see the log only: the naive difference, and inverse propensity weighting
with the recorded propensities, as Horvitz-Thompson and as Hajek, with standard errors
clustered by user.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Z = 1.959963984540054
ACCEPT = (
    458,
    489,
)  # of 500: a correct interval falls outside about once in 500 studies


def clustered_se(psi: NDArray[np.float64], cluster: NDArray[np.int64]) -> float:
    """Standard error of the mean of psi by cluster: sqrt(G/(G-1) sum_g S_g^2) / n."""
    total = np.bincount(cluster, weights=psi - psi.mean())
    G = len(np.unique(cluster))
    return float(np.sqrt(G / (G - 1) * (total @ total)) / len(psi))


def estimates(week: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """(estimate, standard error) of naive, Horvitz-Thompson and Hajek."""
    D = week["recommended"].to_numpy(dtype=float)
    Y = week["minutes"].to_numpy(dtype=float)
    e = week["propensity"].to_numpy(dtype=float)
    who = np.unique(week["user"].to_numpy(), return_inverse=True)[1]
    out = {}
    for name, w1, w0 in (
        ("naive", D, 1 - D),
        ("Hajek", D / e, (1 - D) / (1 - e)),
    ):
        m1, m0 = (w1 @ Y) / w1.sum(), (w0 @ Y) / w0.sum()
        psi = w1 / w1.mean() * (Y - m1) - w0 / w0.mean() * (Y - m0)
        out[name] = (float(m1 - m0), clustered_se(psi, who))
    psi = D / e * Y - (1 - D) / (1 - e) * Y
    out["Horvitz-Thompson"] = (float(psi.mean()), clustered_se(psi, who))
    return out


def one_world(seed: int, sample: int = 500, **overrides: Any) -> dict[str, float]:
    """Targets and estimates in one world."""
    from streamrec.worlds.streaming import StreamingWorld

    world = StreamingWorld("small", seed, **overrides)
    everybody = world.user_item_weeks(world.log(7))
    y = world.truth.outcomes(everybody)
    effect = (y["y1"] - y["y0"]).to_numpy()
    chosen = np.random.default_rng(seed).choice(world._c.n_users, sample, replace=False)
    mine = np.isin(everybody["user"].to_numpy(), chosen)
    row = {"seed": seed, "SATE": effect[mine].mean(), "PATE": effect.mean()}
    for name, (value, se) in estimates(everybody[mine]).items():
        row |= {name: value, f"{name} se": se}
    return {k: float(v) for k, v in row.items()}


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Covers of each estimator for each target, biases and verdicts."""
    n = len(rows)
    over = rows["PATE"].mean()
    targets = {"SATE": rows["SATE"], "PATE": rows["PATE"], "worlds": over}
    table = []
    for name in ("naive", "Horvitz-Thompson", "Hajek"):
        gap = rows[name] - rows["PATE"]
        line: dict[str, Any] = {
            "estimator": name,
            "bias": float(gap.mean()),
            "bias_se": float(gap.std(ddof=1) / np.sqrt(n)),
            "mean_se": float(rows[f"{name} se"].mean()),
        }
        for target, value in targets.items():
            hit = (rows[name] - value).abs() <= Z * rows[f"{name} se"]
            line[f"covers_{target}"] = int(hit.sum())
        table.append(line)
    low, high = (round(a * n / 500) for a in ACCEPT)
    ipw, naive = table[1:], table[0]
    return {
        "worlds": n,
        "mean_PATE": float(over),
        "sd_PATE": float(rows["PATE"].std(ddof=1)),
        "accept": [low, high],
        "estimators": table,
        "verdicts": {
            "IPW covers PATE": all(low <= t["covers_PATE"] <= high for t in ipw),
            "IPW covers SATE (lower bound)": all(low <= t["covers_SATE"] for t in ipw),
            "naive covers under 5 %": naive["covers_PATE"] < 0.05 * n,
            "IPW unbiased within 3 se": all(
                abs(t["bias"]) < 3 * t["bias_se"] for t in ipw
            ),
        },
    }


def study(worlds: int = 500, sample: int = 500, **overrides: Any) -> dict[str, Any]:
    """The whole study; 500 worlds take about ten minutes on one core."""
    rows = [one_world(s, sample, **overrides) for s in range(worlds)]
    return summary(pd.DataFrame(rows)) | {"size": "small", "users sampled": sample}
