"""q5, no shrinking allowed: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def growth_limit(build, licence, years, rho):
    from scipy.optimize import brentq

    t = np.arange(1, years + 1)
    f = lambda g: (licence * (1 + g) ** (t - 1) / (1 + rho) ** t).sum() - build
    return brentq(f, 0.0, 10.0) if f(0.0) < 0 or f(0.0) > 400 else 0.0
