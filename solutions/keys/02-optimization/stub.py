"""The untouched answers of chapter 2, Multivariate Calculus and Optimization.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 2


import numpy as np

rng = np.random.default_rng(SEED)


def softmax_pull(z, g):
    """Adjoint of z (B, K) from the adjoint g of softmax(z)."""
    raise NotImplementedError


def norm_pull(x, g):
    """Adjoint of x (n,) from the adjoint g of its length."""
    raise NotImplementedError


def quotient_pull(a, b, g):
    """Adjoints of a and b from the adjoint g of a / b."""
    raise NotImplementedError


def factor(mu, L, eta):
    """Worst factor of one step of gradient descent."""
    raise NotImplementedError


def steps(kappa, digits, method):
    """Steps after which the best factor has gained so many digits."""
    raise NotImplementedError


def sampled_softmax(x, Y):
    """Loss and gradients (D,), (K + 1, D); the positive is row 0."""
    raise NotImplementedError


def largest_step(h, C, b, excess):
    """Largest step whose noise floor is at most `excess`."""
    raise NotImplementedError


def amsgrad(theta, grads, eta, beta1=0.9, beta2=0.999, eps=1e-8):
    """Path (T + 1, d) of AMSGrad for given gradients (T, d)."""
    raise NotImplementedError


def project_simplex(v):
    """Nearest point of the simplex (N,), and the multiplier nu."""
    raise NotImplementedError


def momentum_variance(h, eta, beta, sigma):
    """Stationary variance of the heavy ball with noisy gradients."""
    raise NotImplementedError


def sign_descent(H, c, lam, steps):
    """Sign descent with decoupled decay from zero, gamma = 2 / (k + 2)."""
    raise NotImplementedError


def certificate(theta, H, c, lam):
    """Upper bound of the excess over the minimum in the cube."""
    raise NotImplementedError


def checkpointed(W, s0, T, every):
    """Gradients in s0 and W, and the largest number of states held."""
    raise NotImplementedError
