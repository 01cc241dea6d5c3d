"""q6, constant forgotten: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def equal_opportunity(points, share, base, c_fp, c_fn):
    G, start = len(points), np.cumsum([0, *map(len, points)])
    c = np.concatenate(
        [
            q * (c_fp * (1 - b) * p[:, 0] - c_fn * b * p[:, 1])
            for p, q, b in zip(points, share, base)
        ]
    )
    A, rhs = np.zeros((2 * G - 1, start[-1])), np.zeros(2 * G - 1)
    for g, p in enumerate(points):
        A[g, start[g] : start[g + 1]], rhs[g] = 1, 1
        if g:
            A[G + g - 1, : start[1]] = points[0][:, 1]
            A[G + g - 1, start[g] : start[g + 1]] = -p[:, 1]
    got = linprog(c, A_eq=A, b_eq=rhs)
    return got.fun, float(got.x[: start[1]] @ points[0][:, 1])
