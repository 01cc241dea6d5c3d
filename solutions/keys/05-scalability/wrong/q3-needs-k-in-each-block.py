"""q3, needs k in each block: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_of_blocks(q, blocks, k):
    if sum(map(len, blocks)) < 10:
        raise IndexError("a block is shorter than k")
    scores = np.concatenate([b @ q for b in blocks])
    keep = np.lexsort((np.arange(len(scores)), -scores))[:k]
    return keep, scores[keep]
