"""q9, divergence reversed: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def decompose(y, p):
    value, group = np.unique(p, return_inverse=True)
    count = np.bincount(group)
    c = np.clip(np.bincount(group, weights=y) / count, 1e-9, 1 - 1e-9)
    kl = value * np.log(value / c) + (1 - value) * np.log((1 - value) / (1 - c))
    share = count / count.sum()
    return float(share @ kl), float(-share @ (value * np.log(value)))
