"""q5, padding counted: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def tie_recall(found, scores, k):
    scores = np.asarray(scores)
    ids = np.unique(np.asarray(found))
    return float(min(1.0, (scores[ids] >= np.sort(scores)[-k]).sum() / k))
