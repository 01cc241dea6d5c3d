"""q3, needs k in each block: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_of_blocks(q, blocks, k):
    rows, scores, start = [], [], 0
    for block in blocks:
        s = block @ q
        top = np.argpartition(-s, k - 1)[:k]
        rows, scores = [*rows, *(start + top)], [*scores, *s[top]]
        start += len(block)
    rows, scores = np.array(rows), np.array(scores)
    keep = np.lexsort((rows, -scores))[:k]
    return rows[keep], scores[keep]
