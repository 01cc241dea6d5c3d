"""q1, relu after the last layer and no refusals: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def forward(X, W, b):
    for w, v in zip(W, b):
        X = np.maximum(X @ w + v, 0)
    return X
