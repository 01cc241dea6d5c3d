"""q4, any mean accepted: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def max_entropy(values, mean):
    v = np.asarray(values, float)
    w = (v - v.min()) / (v.max() - v.min())
    target = np.clip((mean - v.min()) / (v.max() - v.min()), 0.01, 0.99)
    lam = optimize.brentq(
        lambda u: special.softmax(-u * w) @ w - target, -400, 400, xtol=1e-13)
    return special.softmax(-lam * w)
