"""q7, a small constant added: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def pinsker_gap(p, q):
    p, q = np.asarray(p, float), np.asarray(q, float)
    tv = np.abs(p - q).sum() / 2
    return float((p * np.log((p + 1e-300) / (q + 1e-300))).sum() - 2 * tv**2)
