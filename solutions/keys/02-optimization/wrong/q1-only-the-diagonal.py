"""q1, only the diagonal: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def softmax_pull(z, g):
    P = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    return P * (1 - P) * g
