"""q2, from first to last: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def days_open(history, today):
    opened = [d for d, s in history if s == "open"]
    later = [d for d, s in history if s in ("accepted", "rejected")]
    return (later[-1] if later else today) - opened[0]
