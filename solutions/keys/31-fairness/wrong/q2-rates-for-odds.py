"""q2, rates for odds: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fpr_gap(base_a, base_b, ppv, fnr):
    return (base_a - base_b) * (1 - ppv) / ppv * (1 - fnr)
