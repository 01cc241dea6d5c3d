"""q2, only what has ended: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def days_open(history, today):
    days = [int(d) for d, _ in history]
    if any(b < a for a, b in zip(days, days[1:])) or today < days[-1]:
        raise ValueError("the history goes back in time")
    names = [s for _, s in history]
    first = names.index("open")
    return days[first + 1] - days[first] if first + 1 < len(days) else 0
