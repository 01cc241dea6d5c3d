"""q6, shift not standardised and no refusal: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def mixed_index(share, factor, spread):
    return float(abs(share) * np.log(abs(factor)) + 0.01)
