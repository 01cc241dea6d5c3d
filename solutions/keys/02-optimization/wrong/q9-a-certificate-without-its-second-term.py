"""q9, a certificate without its second term: 6 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def certificate(theta, H, c, lam):
    return float((H @ (theta - c)) @ theta)
