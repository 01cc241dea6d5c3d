"""q6, square root in both: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_steps(eps, F, S, T):
    h = np.sqrt(eps * F / T)
    return float(h), float(h), float(h), float(h)
