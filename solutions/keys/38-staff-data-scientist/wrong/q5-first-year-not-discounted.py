"""q5, first year not discounted: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def growth_limit(build, licence, years, rho):
    from scipy.optimize import brentq

    t = np.arange(years)
    q = 1 + rho
    return brentq(lambda g: (licence * ((1 + g) / q) ** t).sum() - build, -0.9, 10)
