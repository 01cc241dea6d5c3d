"""q1, share of the treated: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right = take_apart


def take_apart(y0, y1, d):
    parts = right(y0, y1, d)
    parts["heterogeneity"] = float(np.mean(d) * (parts["att"] - parts["atu"]))
    return parts
