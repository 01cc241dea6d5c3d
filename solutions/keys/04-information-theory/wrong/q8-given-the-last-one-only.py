"""q8, given the last one only: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def by_what_is_new(codes, y, k):
    codes = np.asarray(codes)
    p = codes.shape[1]
    if not 1 <= k <= p:
        raise ValueError("no such k")
    H, chosen = joint_entropy, []
    score = [H(x) + H(y) - H(x, y) for x in codes.T]
    while len(chosen) < k:
        chosen.append(int(np.argmax([-np.inf if j in chosen else score[j]
                                     for j in range(p)])))
        z = codes[:, chosen[-1]]
        score = [H(x, z) + H(y, z) - H(x, y, z) - H(z) for x in codes.T]
    return chosen
