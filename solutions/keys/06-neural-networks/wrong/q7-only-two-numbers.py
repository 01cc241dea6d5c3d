"""q7, only two numbers: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def maximum(k):
    W = [np.zeros((2**k, 3)), np.array([[1.0], [-1.0], [1.0]])]
    W[0][:2] = [[0.0, 0.0, 1.0], [1.0, -1.0, -1.0]]
    return W, [np.zeros(3), np.zeros(1)]
