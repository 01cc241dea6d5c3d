"""q7, an end blocks the next quarter: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

strict_audit = audit


def audit(start, quarters, demand, needs, capacity):
    found = strict_audit(start, quarters, demand, needs, capacity)
    end = [int(s) + int(q) for s, q in zip(start, quarters)]
    found["too_early"] = [b for b in range(len(start))
                          if any(end[int(c)] >= start[b] for c in needs[b])]
    return found
