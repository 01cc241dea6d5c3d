"""q3, ties to the later row: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_of_blocks(q, blocks, k):
    scores = np.concatenate([b @ q for b in blocks])
    keep = np.lexsort((-np.arange(len(scores)), -scores))[:k]
    return keep, scores[keep]
