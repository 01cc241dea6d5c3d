"""q1, not cut and nan let through: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def log_accept(log_x, log_new, x, new):
    return log_new - log_x + np.log(new / x)
