"""q2, miss rate for hit rate: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fpr_gap(base_a, base_b, ppv, fnr):
    a, b, v, m = (np.asarray(x, dtype=float) for x in (base_a, base_b, ppv, fnr))
    if not ((a > 0) & (a < 1) & (b > 0) & (b < 1) & (v > 0) & (v <= 1)).all():
        raise ValueError("range")
    return (a / (1 - a) - b / (1 - b)) * (1 - v) / v * m
