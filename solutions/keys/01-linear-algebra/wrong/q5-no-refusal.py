"""q5, no refusal: wrong, 5 points.

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
    z = lambda t: (np.asarray(t, float) - np.mean(year)) / np.std(year)
    basis = lambda t: np.polynomial.legendre.legvander(z(t) / 2, degree)
    return basis(at) @ np.linalg.lstsq(basis(year), y, rcond=None)[0]
