"""q6, no common rate: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def equal_opportunity(points, share, base, c_fp, c_fn):
    total, tpr = 0.0, 0.0
    for p, q, b in zip(points, share, base):
        cost = c_fp * (1 - b) * p[:, 0] + c_fn * b * (1 - p[:, 1])
        total, tpr = total + q * cost.min(), tpr + q * p[np.argmin(cost), 1]
    return float(total), float(tpr)
