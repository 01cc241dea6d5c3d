"""q1, nats: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def bits_saved(y, p):
    y, p = np.asarray(y), np.asarray(p, float)
    if not ((p > 0) & (p < 1)).all():
        raise ValueError("not a probability")
    lengths = lambda q: -np.where(y == 1, np.log(q), np.log(1 - q))
    return float((lengths(y.mean()) - lengths(p)).mean())
