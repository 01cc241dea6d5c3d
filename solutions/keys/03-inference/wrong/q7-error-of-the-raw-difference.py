"""q7, error of the raw difference: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def adjusted(y, x, d):
    arms = [d == 0, d == 1]
    sxy = sum(((x[a] - x[a].mean()) * (y[a] - y[a].mean())).sum() for a in arms)
    sxx = sum(((x[a] - x[a].mean()) ** 2).sum() for a in arms)
    r = y - sxy / sxx * x
    effect = r[arms[1]].mean() - r[arms[0]].mean()
    return float(effect), float(np.sqrt(sum(y[a].var(ddof=1) / a.sum() for a in arms)))
