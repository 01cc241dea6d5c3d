"""q10, bootstrap percentiles: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def end_interval(y, b, draws, rng, level=0.95):
    tops = np.array([rng.choice(y, size=len(y)).max() for _ in range(draws)])
    low, high = np.quantile(tops, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
