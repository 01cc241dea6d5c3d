"""q6, one group accepted: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def jackknife_entropy(labels, groups):
    labels, groups = np.asarray(labels), np.asarray(groups)
    names = np.unique(groups)
    H = lambda v: stats.entropy(np.unique(v, return_counts=True)[1]) if len(v) else 0.0
    left = np.array([H(labels[groups != g]) for g in names])
    G = len(names)
    value = G * H(labels) - (G - 1) * left.mean()
    return float(value), float(np.sqrt((G - 1) / G * ((left - left.mean()) ** 2).sum()))
