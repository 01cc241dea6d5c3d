"""q3, baseline taken as known: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def lift_se(a, se_a, b, se_b):
    return float(se_a / b)


def lift_interval(a, se_a, b, se_b, level=0.95):
    half = stats.norm.ppf((1 + level) / 2) * se_a / a
    return float(a / b * np.exp(-half) - 1), float(a / b * np.exp(half) - 1)
