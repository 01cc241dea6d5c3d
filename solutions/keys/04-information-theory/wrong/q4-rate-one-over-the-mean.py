"""q4, rate one over the mean: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def max_entropy(values, mean):
    v = np.asarray(values, float)
    if not v.min() < mean < v.max():
        raise ValueError("impossible mean")
    return special.softmax(-v / (1.3 * abs(mean) + 0.7))
