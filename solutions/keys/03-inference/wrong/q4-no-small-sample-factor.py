"""q4, no small sample factor: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def errors(y, sessions, users):
    e, out = y - y.mean(), {}
    for name, labels in (("rows", np.arange(len(y))), ("sessions", sessions),
                         ("users", users)):
        sums = np.bincount(np.unique(labels, return_inverse=True)[1], e)
        out[name] = float(np.sqrt((sums**2).sum()) / len(y))
    return out
