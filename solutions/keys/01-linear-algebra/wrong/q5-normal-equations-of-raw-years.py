"""q5, normal equations of raw years: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def trend(year, y, degree, at):
    """Values at the years `at` of the least-squares polynomial of this degree."""
    year, at = np.asarray(year, float), np.asarray(at, float)
    if len(np.unique(year)) <= degree:
        raise ValueError(f"degree {degree} needs more than {degree} distinct years")
    middle = (year.max() + year.min()) / 2
    half = (year.max() - year.min()) / 2 or 1.0
    basis = lambda t: np.polynomial.legendre.legvander((t - middle) / half, degree)
    return basis(at) @ np.linalg.lstsq(basis(year), y, rcond=None)[0]


def trend(year, y, degree, at):
    if len(np.unique(year)) <= degree:
        raise ValueError("too few years")
    Z = np.vander(np.asarray(year, float), degree + 1)
    c = np.linalg.pinv(Z.T @ Z) @ (Z.T @ y)
    return np.vander(np.asarray(at, float), degree + 1) @ c
