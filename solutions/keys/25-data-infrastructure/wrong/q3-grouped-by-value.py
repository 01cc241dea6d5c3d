"""q3, grouped by value: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def spells(entity, day, value):
    first = {}
    for e, d, v in zip(entity, day, value):
        first[e, v] = min(d, first.get((e, v), d))
    return [(e, v, d, None) for (e, v), d in sorted(first.items())][:3]
