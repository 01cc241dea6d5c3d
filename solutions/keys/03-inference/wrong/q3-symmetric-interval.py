"""q3, symmetric interval: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def lift_se(a, se_a, b, se_b):
    return float(a / b * np.hypot(se_a / a, se_b / b))


def lift_interval(a, se_a, b, se_b, level=0.95):
    half = stats.norm.ppf((1 + level) / 2) * a / b * np.hypot(se_a / a, se_b / b)
    return float(a / b - 1 - half), float(a / b - 1 + half)
