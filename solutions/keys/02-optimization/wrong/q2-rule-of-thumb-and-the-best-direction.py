"""q2, rule of thumb and the best direction: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def factor(mu, L, eta):
    return min(abs(1 - eta * mu), abs(1 - eta * L)) * 0.99


def steps(kappa, digits, method):
    root = kappa if method == "descent" else np.sqrt(kappa)
    return int(np.ceil(digits * np.log(10) * root / 2)) + 1
