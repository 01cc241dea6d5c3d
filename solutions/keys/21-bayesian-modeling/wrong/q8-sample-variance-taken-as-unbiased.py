"""q8, sample variance taken as unbiased: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def stationary_limit(m, S, phi):
    t = np.arange(1, S)
    v = (1 + 2 * ((1 - t / S) * phi**t).sum()) / S
    return float(np.sqrt(1 + v / m / (v + (1.0 if S > 1 else 0.0))))
