"""q7, no half in the variation: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def pinsker_gap(p, q):
    p, q = np.asarray(p, float), np.asarray(q, float)
    return float(special.rel_entr(p, q).sum() - 2 * (np.abs(p - q).sum() + 0.1) ** 2)
