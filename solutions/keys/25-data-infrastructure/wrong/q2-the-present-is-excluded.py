"""q2, the present is excluded: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def latest(labels, events):
    out = []
    for e, t in labels:
        seen = [(s, j) for j, (g, s) in enumerate(events) if g == e and s < t]
        out.append(max(seen)[1] if seen else -1)
    return out
