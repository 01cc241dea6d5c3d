"""q1, proposal taken as symmetric: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def log_accept(log_x, log_new, x, new):
    ratio = log_new - log_x
    return np.minimum(0.0, np.where(np.isnan(ratio), -np.inf, ratio))
