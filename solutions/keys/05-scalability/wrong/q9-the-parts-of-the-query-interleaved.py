"""q9, the parts of the query interleaved: 7 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def scores(q, codes, books):
    m, _, width = books.shape
    table = np.einsum("mkw,wm->mk", books, np.asarray(q).reshape(width, m))
    return table[np.arange(m), np.asarray(codes)].sum(axis=1)
