"""q8, the gaussian variance: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def coin_variance(x, m):
    x = np.asarray(x, float)
    return float(2 / m * (x @ x) ** 2)
