"""q3, mass forgotten: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leapfrog(q, p, P, mu, eps, L, M_inv):
    for _ in range(L):
        p = p - eps / 2 * P @ (q - mu)
        q = q + eps * p
        p = p - eps / 2 * P @ (q - mu)
    return q, p
