"""q3, size only and no units: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def psi_alarm(p, q, size=0.1, level=0.01, rows_per_unit=1.0):
    p, q = np.asarray(p, float), np.asarray(q, float)
    scale = 1 / p.sum() + 1 / q.sum()
    a, b = p / p.sum(), q / q.sum()
    psi = float(((a - b) * np.log(a / b)).sum())
    tail = float(stats.chi2.sf(psi / scale, len(p) - 1))
    return {"psi": psi, "excess": psi - scale * (len(p) - 1), "p_value": tail,
            "alarm": psi > size}
