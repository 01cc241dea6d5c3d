"""q3, euler steps: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leapfrog(q, p, P, mu, eps, L, M_inv):
    for _ in range(L):
        q, p = q + eps * M_inv @ p, p - eps * P @ (q - mu)
    return q, p
