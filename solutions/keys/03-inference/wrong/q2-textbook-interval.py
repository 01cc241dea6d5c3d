"""q2, textbook interval: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def newcombe(x1, n1, x0, n0, level=0.95):
    p1, p0, z = x1 / n1, x0 / n0, stats.norm.ppf((1 + level) / 2)
    half = z * np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0)
    return float(p1 - p0 - half), float(p1 - p0 + half)
