"""q7, cut and rescale: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def project_simplex(v):
    w = np.maximum(v, 0)
    w = w / w.sum() if w.sum() > 0 else np.eye(len(v))[v.argmax()]
    return w, 0.123
