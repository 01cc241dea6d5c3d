"""q4, rows whatever the unit: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def errors(y, sessions, users):
    se = float(y.std(ddof=1) / np.sqrt(len(y)))
    return {"rows": se, "sessions": se, "users": se}
