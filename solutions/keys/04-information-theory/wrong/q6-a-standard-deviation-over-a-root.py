"""q6, a standard deviation over a root: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def jackknife_entropy(labels, groups):
    labels, groups = np.asarray(labels), np.asarray(groups)
    names = np.unique(groups)
    if len(names) < 2:
        raise ValueError("one group")
    H = lambda v: stats.entropy(np.unique(v, return_counts=True)[1])
    left = np.array([H(labels[groups != g]) for g in names])
    value = len(names) * H(labels) - (len(names) - 1) * left.mean()
    return float(value), float(left.std(ddof=1) / np.sqrt(len(names)))
