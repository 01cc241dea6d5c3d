"""q8, standard deviation of the noise: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def momentum_variance(h, eta, beta, sigma):
    return eta * sigma * (1 + beta) / ((1 - beta) * h * (2 * (1 + beta) - eta * h))
