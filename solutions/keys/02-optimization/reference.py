"""Reference answers of chapter 2, Multivariate Calculus and Optimization.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 2


import numpy as np

rng = np.random.default_rng(SEED)


def softmax_pull(z, g):
    """Adjoint of z (B, K) from the adjoint g of softmax(z)."""
    P = np.exp(z - z.max(axis=-1, keepdims=True))
    P = P / P.sum(axis=-1, keepdims=True)
    return P * (g - (P * g).sum(axis=-1, keepdims=True))


def norm_pull(x, g):
    """Adjoint of x (n,) from the adjoint g of its length."""
    length = np.linalg.norm(x)
    return g * x / length if length > 0 else np.zeros_like(x)


def quotient_pull(a, b, g):
    """Adjoints of a and b from the adjoint g of a / b."""
    return g / b, -g * a / b**2


def factor(mu, L, eta):
    """Worst factor of one step of gradient descent."""
    return max(abs(1 - eta * mu), abs(1 - eta * L))


def steps(kappa, digits, method):
    """Steps after which the best factor has gained so many digits."""
    root = kappa if method == "descent" else np.sqrt(kappa)
    rho = (root - 1) / (root + 1)
    return int(np.ceil(digits * np.log(10) / -np.log(rho)))


def sampled_softmax(x, Y):
    """Loss and gradients (D,), (K + 1, D); the positive is row 0."""
    s = Y @ x
    top = s.max()
    log_total = top + np.log(np.exp(s - top).sum())
    r = np.exp(s - log_total)                                # softmax of the scores
    r[0] -= 1
    return float(log_total - s[0]), Y.T @ r, np.outer(r, x)


def largest_step(h, C, b, excess):
    """Largest step whose noise floor is at most `excess`."""
    if not excess > 0:
        raise ValueError(f"the excess must be positive, not {excess}")
    low, high = 0.0, 2 / h.max()
    for _ in range(200):
        eta = (low + high) / 2
        floor = (eta * C / b / (2 * (2 - eta * h))).sum()
        low, high = (eta, high) if floor <= excess else (low, eta)
    return float(low)


def amsgrad(theta, grads, eta, beta1=0.9, beta2=0.999, eps=1e-8):
    """Path (T + 1, d) of AMSGrad for given gradients (T, d)."""
    m = v = top = np.zeros_like(theta)
    path = [theta]
    for k, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        top = np.maximum(top, v)
        scale = np.sqrt(top / (1 - beta2**k)) + eps
        path.append(path[-1] - eta * m / (1 - beta1**k) / scale)
    return np.array(path)


def project_simplex(v):
    """Nearest point of the simplex (N,), and the multiplier nu."""
    falling = np.sort(v)[::-1]
    candidates = (np.cumsum(falling) - 1) / np.arange(1, len(v) + 1)
    nu = candidates[np.flatnonzero(falling > candidates)[-1]]
    return np.maximum(v - nu, 0), float(nu)


def momentum_variance(h, eta, beta, sigma):
    """Stationary variance of the heavy ball with noisy gradients."""
    return eta * sigma**2 * (1 + beta) / ((1 - beta) * h * (2 * (1 + beta) - eta * h))


def sign_descent(H, c, lam, steps):
    """Sign descent with decoupled decay from zero, gamma = 2 / (k + 2)."""
    theta = np.zeros(len(c))
    for k in range(steps):
        gamma = 2 / (k + 2)
        theta = (1 - gamma) * theta - gamma / lam * np.sign(H @ (theta - c))
    return theta


def certificate(theta, H, c, lam):
    """Upper bound of the excess over the minimum in the cube."""
    g = H @ (theta - c)
    return float(g @ theta + np.abs(g).sum() / lam)


def checkpointed(W, s0, T, every):
    """Gradients in s0 and W, and the largest number of states held."""
    marks, s = {}, s0
    for k in range(T):
        if k % every == 0:
            marks[k] = s
        s = np.tanh(W @ s)
    bar, dW, kept, stop = s, np.zeros_like(W), len(marks) + 1, T
    for start in sorted(marks, reverse=True):
        segment = [marks.pop(start)]
        for _ in range(start, stop):
            segment.append(np.tanh(W @ segment[-1]))
        kept = max(kept, len(marks) + len(segment))
        for before, after in zip(segment[-2::-1], segment[:0:-1]):
            inner = bar * (1 - after**2)
            dW += np.outer(inner, before)
            bar = W.T @ inner
        stop = start
    return bar, dW, kept
