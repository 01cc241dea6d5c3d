"""q6, rows left out: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def jackknife_entropy(labels, groups):
    if len(set(np.asarray(groups).tolist())) < 2:
        raise ValueError("one group")
    labels = np.asarray(labels)
    H = lambda v: stats.entropy(np.unique(v, return_counts=True)[1])
    n = len(labels)
    left = np.array([H(np.delete(labels, i)) for i in range(n)])
    value = n * H(labels) - (n - 1) * left.mean()
    return float(value), float(np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum()))
