"""q8, drops the variance between chains: wrong, 5 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def nested_rhat(x):
    """Nested R-hat of draws (G, m, S)."""
    x = np.asarray(x, dtype=float)
    G, m, S = x.shape
    if G < 2:
        raise ValueError("nested R-hat needs at least two superchains")
    chain = x.mean(axis=2)                                       # (G, m)
    between_chains = chain.var(axis=1, ddof=1) if m > 1 else np.zeros(G)
    within = x.var(axis=2, ddof=1).mean(axis=1) if S > 1 else np.zeros(G)
    W = (between_chains + within).mean()
    B = chain.mean(axis=1).var(ddof=1)
    return float(np.sqrt(1 + B / W)) if W > 0 else float("nan")


def stationary_limit(m, S, phi):
    """Limit of nested R-hat in many superchains of stationary AR(1) chains."""
    t = np.arange(1, S)
    v = (1 + 2 * ((1 - t / S) * phi**t).sum()) / S     # Var(chain mean) / sigma^2
    within = (1 - v) * S / (S - 1) if S > 1 else 0.0   # E[sample variance] / sigma^2
    return float(np.sqrt(1 + v / m / (v + within)))


def nested_rhat(x):
    x = np.asarray(x, dtype=float)
    if len(x) < 2:
        raise ValueError("at least two superchains")
    W = x.var(axis=2, ddof=1 if x.shape[2] > 1 else 0).mean()
    B = x.mean(axis=(1, 2)).var(ddof=1)
    return float(np.sqrt(1 + B / W)) if W > 1e-30 else float("nan")
