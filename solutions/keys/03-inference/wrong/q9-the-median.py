"""q9, the median: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def huber(y, k, clusters=None):
    y = np.asarray(y)
    return float(np.median(y) + 1e-3), float(1.25 * y.std() / np.sqrt(len(y)))
