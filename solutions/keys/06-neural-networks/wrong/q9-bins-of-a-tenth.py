"""q9, bins of a tenth: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def decompose(y, p):
    bins = np.floor(10 * p)
    calibration = refinement = 0.0
    for at in (bins == k for k in np.unique(bins)):
        c, q = y[at].mean(), p[at].mean()
        H = -sum(v * np.log(v) for v in (c, 1 - c) if v > 0)
        cross = -c * np.log(q) - (1 - c) * np.log(1 - q)
        calibration += at.mean() * (cross - H)
        refinement += at.mean() * H
    return float(calibration), float(refinement)
