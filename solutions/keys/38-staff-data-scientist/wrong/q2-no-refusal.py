"""q2, no refusal: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def days_open(history, today):
    days = [int(d) for d, _ in history] + [int(today)]
    spells = zip(history, days[1:], strict=True)
    return sum(end - int(d) for (d, s), end in spells if s == "open")
