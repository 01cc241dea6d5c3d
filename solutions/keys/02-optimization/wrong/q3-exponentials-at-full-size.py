"""q3, exponentials at full size: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def sampled_softmax(x, Y):
    e = np.exp(Y @ x)
    r = e / e.sum()
    loss = -np.log(r[0])
    r[0] -= 1
    return float(loss), Y.T @ r, np.outer(r, x)
