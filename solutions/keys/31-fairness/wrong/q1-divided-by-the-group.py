"""q1, divided by the group: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def error_rates(y, yhat, groups):
    y, yhat, groups = map(np.asarray, (y, yhat, groups))
    rows = []
    for g in np.unique(groups):
        h = groups == g
        rows.append(
            (
                g.item(),
                float((yhat[h] * (1 - y[h])).mean()),
                float(((1 - yhat[h]) * y[h]).mean()),
                int((y[h] == 0).sum()),
                int((y[h] == 1).sum()),
            )
        )
    return rows
