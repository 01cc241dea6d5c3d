"""q10, rate forgotten: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def end_interval(y, b, draws, rng, level=0.95):
    top = y.max()
    tops = np.array([rng.choice(y, size=b, replace=False).max() for _ in range(draws)])
    return float(top), float(top + np.quantile(top - tops, level))
