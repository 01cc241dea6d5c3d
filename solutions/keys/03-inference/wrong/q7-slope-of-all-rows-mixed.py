"""q7, slope of all rows mixed: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def adjusted(y, x, d):
    r = y - np.cov(x, y)[0, 1] / x.var(ddof=1) * x
    a, b = r[d == 1], r[d == 0]
    se = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    return float(a.mean() - b.mean()), float(se)
