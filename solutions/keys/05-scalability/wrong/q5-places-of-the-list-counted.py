"""q5, places of the list counted: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def tie_recall(found, scores, k):
    found, scores = np.asarray(found), np.asarray(scores)
    return float((scores[found] >= np.sort(scores)[-k]).mean())
