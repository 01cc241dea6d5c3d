"""q3, positive not in the denominator: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def sampled_softmax(x, Y):
    s = Y @ x
    top = s[1:].max()
    log_total = top + np.log(np.exp(s[1:] - top).sum())
    r = np.r_[-1.0, np.exp(s[1:] - log_total)]
    return float(log_total - s[0]), Y.T @ r, np.outer(r, x)
