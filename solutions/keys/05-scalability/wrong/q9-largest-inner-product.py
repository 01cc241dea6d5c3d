"""q9, largest inner product: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def encode(X, books):
    m, _, width = books.shape
    parts = np.asarray(X).reshape(len(X), m, 1, width)
    return (parts * books).sum(axis=3).argmax(axis=2)
