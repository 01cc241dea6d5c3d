"""q9, overall rate instead of groups: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def decompose(y, p):
    loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
    c = y.mean()
    entropy = -(c * np.log(c) + (1 - c) * np.log(1 - c))
    entropy = min(entropy, 0.9 * loss)
    return float(loss - entropy), float(entropy)
