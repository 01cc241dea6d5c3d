"""q8, effective step: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def momentum_variance(h, eta, beta, sigma):
    step = eta / (1 - beta)
    return step * sigma**2 / (h * (2 - step * h))
