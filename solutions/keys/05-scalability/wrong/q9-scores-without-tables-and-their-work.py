"""q9, scores without tables and their work: 7 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def work(n, D, m, K):
    return n * D


def scores(q, codes, books):
    return decode(codes, books) @ np.asarray(q)
