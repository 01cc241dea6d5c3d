"""q5, normal equations of raw years: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def trend(year, y, degree, at):
    if len(np.unique(year)) <= degree:
        raise ValueError("too few years")
    Z = np.vander(np.asarray(year, float), degree + 1)
    c = np.linalg.pinv(Z.T @ Z) @ (Z.T @ y)
    return np.vander(np.asarray(at, float), degree + 1) @ c
