"""Reference answers of chapter 6, Neural Networks from Scratch.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def forward(X, W, b):
    """Output (n, d_L) of a ReLU network; refuses shapes that do not fit."""
    A = np.asarray(X, dtype=float)
    if not np.isfinite(A).all():
        raise ValueError("X holds a value that is not finite")
    for layer, (w, v) in enumerate(zip(W, b), 1):
        if A.shape[1] != w.shape[0]:
            raise ValueError(f"layer {layer} takes {w.shape[0]} inputs")
        if v.shape != (w.shape[1],):
            raise ValueError(f"the offset of layer {layer} has shape {v.shape}")
        A = A @ w + v
        if layer < len(W):
            A = np.maximum(A, 0)
    return A


def smoothed(Z, y, eps):
    """(mean loss, gradient (n, K)) of cross-entropy with smoothed labels."""
    n, K = Z.shape
    q = np.full((n, K), eps / K)
    q[np.arange(n), y] += 1 - eps
    shifted = Z - Z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(q * log_p).sum() / n), (np.exp(log_p) - q) / n


def fold(W, b, mean, scale):
    """Weights and offsets of the same network for raw features."""
    first = W[0] / scale[:, None]
    return [first, *W[1:]], [b[0] - mean @ first, *b[1:]]


def gradients(X, T, W, b):
    """(dW, db) of ||Z_L - T||^2 / (2n) for a tanh network."""
    A = [X]
    for w, v in zip(W[:-1], b[:-1]):
        A.append(np.tanh(A[-1] @ w + v))
    Delta = (A[-1] @ W[-1] + b[-1] - T) / len(X)
    dW, db = [], []
    for layer in reversed(range(len(W))):
        dW.insert(0, A[layer].T @ Delta)
        db.insert(0, Delta.sum(axis=0))
        if layer:
            Delta = Delta @ W[layer].T * (1 - A[layer] ** 2)
    return dW, db


def best_steps(eps, F, S, T):
    """(h, bound) of the central difference, (h, bound) of the one-sided one."""
    h = (3 * eps * F / T) ** (1 / 3)
    k = 2 * np.sqrt(eps * F / S)
    return float(h), float(h**2 * T / 2), float(k), float(k * S)


def maximum(k):
    """(W, b) of a ReLU network with k hidden layers: the maximum of 2**k inputs."""
    into = np.array([[0.0, 0.0, 1.0], [1.0, -1.0, -1.0]])  # x2, -x2, x1 - x2
    out = np.array([[1.0], [-1.0], [1.0]])
    W = []
    for stage in range(k):
        pairs = 2 ** (k - 1 - stage)
        layer = np.kron(np.eye(pairs), into)
        if stage:
            layer = np.kron(np.eye(2 * pairs), out) @ layer
        W.append(layer)
    W.append(out)
    return W, [np.zeros(w.shape[1]) for w in W]


def along(X, W, b, dW, db):
    """Outputs (n, d_L) and their derivative along (dW, db)."""
    A, dA = X, np.zeros_like(X)
    for layer in range(len(W)):
        Z = A @ W[layer] + b[layer]
        dZ = dA @ W[layer] + A @ dW[layer] + db[layer]
        A, dA = np.maximum(Z, 0), dZ * (Z > 0)
    return Z, dZ


def decompose(y, p):
    """(calibration, refinement) of the mean log loss; groups of equal p."""
    value, group = np.unique(p, return_inverse=True)
    count = np.bincount(group)
    c = np.bincount(group, weights=y) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(c > 0, c * np.log(c), 0) - np.where(
            c < 1, (1 - c) * np.log(1 - c), 0)
    cross = -c * np.log(value) - (1 - c) * np.log(1 - value)
    share = count / count.sum()
    return float(share @ (cross - entropy)), float(share @ entropy)
