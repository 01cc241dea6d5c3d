"""q3, rows numbered in each block: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_of_blocks(q, blocks, k):
    rows = np.concatenate([np.arange(len(b)) for b in blocks])
    scores = np.concatenate([b @ q for b in blocks])
    keep = np.lexsort((rows, -scores))[:k]
    return rows[keep], scores[keep]
