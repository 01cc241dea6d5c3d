"""q8, ordinary r hat of flattened superchains: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def nested_rhat(x):
    flat = np.asarray(x, dtype=float).reshape(len(x), -1)
    return float(
        np.sqrt(1 + flat.mean(axis=1).var(ddof=1) / flat.var(axis=1, ddof=1).mean())
    )
