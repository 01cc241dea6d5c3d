"""q5, no corrections and a lost start: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def amsgrad(theta, grads, eta, beta1=0.9, beta2=0.999, eps=1e-8):
    m = v = top = np.zeros_like(theta)
    path = [theta - 1e-3]
    for g in grads:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        top = np.maximum(top, v)
        path.append(path[-1] - eta * m / (np.sqrt(top) + eps))
    return np.array(path)
