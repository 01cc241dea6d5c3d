"""q1, clips certainty: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def bits_saved(y, p):
    y, p = np.asarray(y), np.clip(np.asarray(p, float), 1e-12, 1 - 1e-12)
    lengths = lambda q: -np.where(y == 1, np.log2(q), np.log2(1 - q))
    return float((lengths(y.mean()) - lengths(p)).mean())
