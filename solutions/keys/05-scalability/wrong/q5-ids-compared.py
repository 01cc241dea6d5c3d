"""q5, ids compared: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def tie_recall(found, scores, k):
    best = np.argsort(-np.asarray(scores), kind="stable")[:k]
    return float(np.isin(best, found).mean())
