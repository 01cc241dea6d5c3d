"""q5, plain adam: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def amsgrad(theta, grads, eta, beta1=0.9, beta2=0.999, eps=1e-8):
    m = v = np.zeros_like(theta)
    path = [theta]
    for k, g in enumerate(grads, 1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        step = m / (1 - beta1**k) / (np.sqrt(v / (1 - beta2**k)) + eps)
        path.append(path[-1] - eta * step)
    return np.array(path)
