"""q9, clusters ignored: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def huber(y, k, clusters=None):
    low, high = y.min(), y.max()
    for _ in range(200):
        theta = (low + high) / 2
        if np.clip(y - theta, -k, k).sum() > 0:
            low = theta
        else:
            high = theta
    u = y - theta
    scores, slope = np.clip(u, -k, k), (abs(u) <= k).sum()
    return float(theta), float(np.sqrt((scores**2).sum()) / slope)
