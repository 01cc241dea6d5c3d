"""q2, centre by sampling error: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def partial_pool(y, se, tau):
    if not (np.asarray(se) > 0).all():
        raise ValueError("standard errors must be positive")
    w = 1 / se**2
    m = (w * y).sum() / w.sum()
    v = se**2 + tau**2
    B = tau**2 / v
    sd = np.sqrt(B * se**2 + (1 - B) ** 2 / (1 / v).sum())
    return {"centre": float(m), "mean": B * y + (1 - B) * m, "sd": sd}
