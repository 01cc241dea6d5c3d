"""q2, centre taken as known: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def partial_pool(y, se, tau):
    v = se**2 + tau**2
    m = (y / v).sum() / (1 / v).sum()
    B = tau**2 / v
    return {"centre": float(m), "mean": B * y + (1 - B) * m, "sd": np.sqrt(B) * se}
