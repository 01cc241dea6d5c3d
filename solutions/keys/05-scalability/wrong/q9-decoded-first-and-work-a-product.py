"""q9, decoded first and work a product: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def work(n, D, m, K):
    return n * D


def scores(q, codes, books):
    return decode(codes, books)[:, ::-1] @ np.asarray(q)
