"""q6, mixture of medians: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def mixed_index(share, factor, spread):
    if not 0 <= share <= 1 or factor <= 0 or spread <= 0:
        raise ValueError("share in [0, 1], factor and spread positive")
    return float(share * np.log(factor) / spread)
