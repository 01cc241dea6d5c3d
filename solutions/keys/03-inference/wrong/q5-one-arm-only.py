"""q5, one arm only: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def variance_of_one_user(p0, p1, m, cv, rho):
    return (p0 * (1 - p0) + p1 * (1 - p1)) * (1 + rho * (m * (1 + cv**2) - 1)) / m


def users_needed(p0, p1, m, cv, rho, alpha=0.05, power=0.8):
    z = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    v = variance_of_one_user(p0, p1, m, cv, rho) / 2
    return int(np.ceil(z**2 * v / (p1 - p0) ** 2))


def power_with(users, p0, p1, m, cv, rho, alpha=0.05):
    se = np.sqrt(variance_of_one_user(p0, p1, m, cv, rho) / users)
    z, shift = stats.norm.ppf(1 - alpha / 2), (p1 - p0) / se
    return float(stats.norm.cdf(shift - z) + stats.norm.cdf(-shift - z))
