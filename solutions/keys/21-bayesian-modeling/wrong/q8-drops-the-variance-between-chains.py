"""q8, drops the variance between chains: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def nested_rhat(x):
    x = np.asarray(x, dtype=float)
    if len(x) < 2:
        raise ValueError("at least two superchains")
    W = x.var(axis=2, ddof=1 if x.shape[2] > 1 else 0).mean()
    B = x.mean(axis=(1, 2)).var(ddof=1)
    return float(np.sqrt(1 + B / W)) if W > 1e-30 else float("nan")
