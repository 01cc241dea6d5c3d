"""q3, the index itself against the size: 6 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def psi_alarm(p, q, size=0.1, level=0.01, rows_per_unit=1.0):
    n, m = np.sum(p), np.sum(q)
    a, b = np.asarray(p) / n, np.asarray(q) / m
    value = float(((a - b) * np.log(a / b)).sum())
    scale = rows_per_unit * (1 / n + 1 / m)
    p_value = float(stats.chi2.sf(value / scale, len(a) - 1))
    return {"psi": value, "excess": value - scale * (len(a) - 1), "p_value": p_value,
            "alarm": bool(value > size and p_value < level)}
