"""M6: the average effect of a treatment that units chose themselves."""

import numpy as np


def average_effect(y, treated, X):
    """(effect, low, high): augmented inverse-propensity weighting, 95 % interval."""
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.preprocessing import PolynomialFeatures

    y, d, X = np.asarray(y, float), np.asarray(treated, float), np.asarray(X, float)
    Z = PolynomialFeatures(2, include_bias=False).fit_transform(X)
    e = LogisticRegression(C=10.0, max_iter=2_000).fit(Z, d).predict_proba(Z)[:, 1]
    if np.mean(np.minimum(e, 1 - e) < 0.02) > 0.1:
        raise ValueError("no overlap: many units could only have one treatment")
    m1, m0 = (LinearRegression().fit(Z[d == a], y[d == a]).predict(Z) for a in (1, 0))
    psi = m1 - m0 + d * (y - m1) / e - (1 - d) * (y - m0) / (1 - e)
    half = 1.96 * psi.std(ddof=1) / np.sqrt(len(psi))
    return float(psi.mean()), float(psi.mean() - half), float(psi.mean() + half)
