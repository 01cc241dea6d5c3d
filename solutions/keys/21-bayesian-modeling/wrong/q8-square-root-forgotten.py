"""q8, square root forgotten: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def nested_rhat(x):
    x = np.asarray(x, dtype=float)
    G, m, S = x.shape
    if G < 2:
        raise ValueError("at least two superchains")
    chain = x.mean(axis=2)
    between = chain.var(axis=1, ddof=1) if m > 1 else np.zeros(G)
    within = x.var(axis=2, ddof=1).mean(axis=1) if S > 1 else np.zeros(G)
    W = (between + within).mean()
    B = chain.mean(axis=1).var(ddof=1)
    return float(1 + B / W) if W > 0 else float("nan")
