"""q3, error of the difference: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def lift_se(a, se_a, b, se_b):
    return float(np.hypot(se_a, se_b))


def lift_interval(a, se_a, b, se_b, level=0.95):
    half = stats.norm.ppf((1 + level) / 2) * np.hypot(se_a / a, se_b / b)
    return float(a / b * np.exp(-half) - 1), float(a / b * np.exp(half) - 1)
