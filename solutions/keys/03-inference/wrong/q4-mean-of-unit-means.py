"""q4, mean of unit means: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def errors(y, sessions, users):
    out = {}
    for name, labels in (("rows", np.arange(len(y))), ("sessions", sessions),
                         ("users", users)):
        codes = np.unique(labels, return_inverse=True)[1]
        m = np.bincount(codes, y) / np.bincount(codes)
        out[name] = float(m.std(ddof=1) / np.sqrt(len(m)))
    return out
