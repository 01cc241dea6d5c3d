"""q3, one row a snapshot: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def spells(entity, day, value):
    rows = sorted(zip(entity, day, value))
    return [
        (e, v, d, rows[i + 1][1] if i + 1 < len(rows) and rows[i + 1][0] == e else None)
        for i, (e, d, v) in enumerate(rows)
    ]
