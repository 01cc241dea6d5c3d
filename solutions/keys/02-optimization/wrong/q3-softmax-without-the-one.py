"""q3, softmax without the one: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def sampled_softmax(x, Y):
    s = Y @ x
    top = s.max()
    log_total = top + np.log(np.exp(s - top).sum())
    r = np.exp(s - log_total)
    return float(log_total - s[0]), Y.T @ r, np.outer(r, x)
