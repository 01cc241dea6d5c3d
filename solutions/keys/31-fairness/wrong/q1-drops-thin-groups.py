"""q1, drops thin groups: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def error_rates(y, yhat, groups):
    y, yhat, groups = map(np.asarray, (y, yhat, groups))
    rows = []
    for g in np.unique(groups)[::-1]:
        n, p = (groups == g) & (y == 0), (groups == g) & (y == 1)
        if n.any() and p.any():
            rows.insert(
                0,
                (
                    g.item(),
                    float(yhat[n].mean()),
                    float(1 - yhat[p].mean()),
                    int(p.sum()),
                    int(p.sum()),
                ),
            )
    return rows
