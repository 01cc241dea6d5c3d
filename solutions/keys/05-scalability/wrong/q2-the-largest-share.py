"""q2, the largest share: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def plan(times, factors, steps):
    now, factors = np.array(times, float), np.asarray(factors, float)
    if steps > len(now) or (factors <= 1).any():
        raise ValueError("at most one step a stage, and factors above 1")
    start, order, speedups = now.sum(), [], []
    for _ in range(steps):
        left = [i for i in range(len(now)) if i not in order]
        order.append(max(left, key=lambda i: times[i]))
        now[order[-1]] /= factors[order[-1]]
        speedups.append(float(start / now.sum()))
    return {"order": order, "speedups": speedups}
