"""q8, information alone: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def by_what_is_new(codes, y, k):
    codes = np.asarray(codes)
    if not 1 <= k <= codes.shape[1]:
        raise ValueError("no such k")
    H = joint_entropy
    score = [H(x) + H(y) - H(x, y) for x in codes.T]
    return [int(j) for j in np.argsort(-np.array(score), kind="stable")[:k]]
