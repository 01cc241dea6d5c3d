"""q8, the order of the table: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def by_what_is_new(codes, y, k):
    return list(range(min(k, np.shape(codes)[1])))
