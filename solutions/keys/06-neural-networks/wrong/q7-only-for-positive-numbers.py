"""q7, only for positive numbers: 0 points. It follows reference.py.

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
    return W, [np.zeros(w.shape[1]) for w in W]
