"""q7, a large offset keeps numbers positive: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def maximum(k):
    into, out = np.array([[0.0, 1.0], [1.0, -1.0]]), np.ones((2, 1))
    W = []
    for stage in range(k):
        pairs = 2 ** (k - 1 - stage)
        layer = np.kron(np.eye(pairs), into)
        W.append(np.kron(np.eye(2 * pairs), out) @ layer if stage else layer)
    W.append(out)
    b = [np.zeros(w.shape[1]) for w in W]
    b[0], b[-1] = b[0] + np.tile([100.0, 0.0], 2 ** (k - 1)), b[-1] - 100
    return W, b
