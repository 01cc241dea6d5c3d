"""q5, rounds the data: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def trend(year, y, degree, at):
    if len(np.unique(year)) <= degree:
        raise ValueError("too few years")
    z = lambda t: (np.asarray(t, float) - 1970) / 40
    basis = lambda t: np.polynomial.legendre.legvander(z(t), degree)
    return basis(at) @ np.linalg.lstsq(basis(year), np.round(y, 2), rcond=None)[0]
