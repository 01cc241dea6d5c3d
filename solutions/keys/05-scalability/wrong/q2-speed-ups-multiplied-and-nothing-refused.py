"""q2, speed ups multiplied and nothing refused: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def plan(times, factors, steps):
    now, factors = np.array(times, float), np.asarray(factors, float)
    order, speedups = [], []
    for _ in range(min(steps, len(now))):
        gain = now * (1 - 1 / factors)
        gain[order] = -1.0
        order.append(int(gain.argmax()))
        speedups.append(float(np.prod(factors[order])))
    return {"order": order, "speedups": speedups}
