"""q8, unpaired error: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_8 = paired


def paired(y, d, pair):
    estimate, _ = right_8(y, d, pair)
    a, b = y[d == 1], y[d == 0]
    return estimate, float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
