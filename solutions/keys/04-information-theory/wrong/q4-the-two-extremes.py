"""q4, the two extremes: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def max_entropy(values, mean):
    v = np.asarray(values, float)
    if not v.min() < mean < v.max():
        raise ValueError("impossible mean")
    p = np.zeros(len(v))
    p[v.argmax()] = (mean - v.min()) / (v.max() - v.min())
    p[v.argmin()] = 1 - p[v.argmax()]
    return p
