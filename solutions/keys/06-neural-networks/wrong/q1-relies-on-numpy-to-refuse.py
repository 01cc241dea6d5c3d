"""q1, relies on numpy to refuse: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def forward(X, W, b):
    for w, v in zip(W[:-1], b[:-1]):
        X = np.maximum(X @ w + v, 0)
    return X @ W[-1] + b[-1]
