"""Our Hamiltonian Monte Carlo against PyMC's default NUTS on the same Gaussian.

Run it with ``python benchmarks/run.py --only bayes``; results go to
``results/bayes.json``, whose fields README.md describes. ``--quick`` draws fewer and
writes nothing.

Fairness: one thread on both sides; runs alternate; both take 4 chains of 1,000 draws
after 1,000 of warm-up with target acceptance 0.8 and a diagonal mass, and start from
the same kind of point. PyMC's model is compiled before the clock starts; warm-up is on
the clock for both. The score is the smallest bulk effective sample size over the
coordinates a second, computed by one function for both sides, and every run is checked
against the known mean and variance.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from streamrec.bayes.diagnostics import ess_bulk, mcse_mean, rhat
from streamrec.bayes.hmc import hmc

warnings.filterwarnings("ignore", category=FutureWarning)

RESULTS = Path(__file__).parent / "results" / "bayes.json"
CHAINS, TARGET = 4, 3.0
TARGETS = {  # dimensions, correlation of neighbours, ratio of the extreme scales
    "independent, equal scales": (10, 0.0, 1.0),
    "independent, scales 1 to 100": (50, 0.0, 100.0),
    "correlated neighbours": (20, 0.8, 10.0),
}


def covariance(D: int, rho: float, spread: float) -> np.ndarray:
    """Correlation rho^|i-j|, scales geometric from 1 to spread."""
    i = np.arange(D)
    s = np.geomspace(1, spread, D)
    return s[:, None] * rho ** np.abs(i[:, None] - i) * s


def ours(mu: np.ndarray, P: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Draws (C, S, D) of N(mu, P^-1)."""
    rng = np.random.default_rng(seed)
    start = mu + rng.uniform(-1, 1, size=(CHAINS, len(mu)))
    return hmc(
        lambda q: -0.5 * (((q - mu) @ P) * (q - mu)).sum(axis=1),
        lambda q: -(q - mu) @ P,
        start,
        draws=draws,
        warmup=draws,
        rng=rng,
    ).draws


def theirs(model: Any, draws: int, seed: int) -> np.ndarray:
    """The same from PyMC's default sampler: draws (C, S, D)."""
    import pymc as pm

    with model:
        found = pm.sample(
            draws=draws,
            tune=draws,
            chains=CHAINS,
            cores=1,
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
        )
    return found.posterior["x"].to_numpy()


def judged(x: np.ndarray, mu: np.ndarray, S: np.ndarray, took: float) -> dict[str, Any]:
    """Effective sizes a second, and how far the draws are from the truth."""
    D = range(x.shape[2])
    ess = min(ess_bulk(x[:, :, d]) for d in D)
    z = max(abs(x[:, :, d].mean() - mu[d]) / mcse_mean(x[:, :, d]) for d in D)
    v = max(
        abs(((x[:, :, d] - mu[d]) ** 2).mean() - S[d, d])
        / mcse_mean((x[:, :, d] - mu[d]) ** 2)
        for d in D
    )
    worst = max(rhat(x[:, :, d]) for d in D)
    return {"seconds": took, "ess": ess, "per_second": ess / took, "rhat": worst,
            "errors": max(z, v)}  # fmt: skip


def timed(call: Any, *arguments: Any) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    x = call(*arguments)
    return x, time.perf_counter() - start


def digits(x: float, n: int = 3) -> float:
    return float(f"{x:.{n}g}")


def median(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = ("seconds", "ess", "per_second")
    out = {k: digits(statistics.median(r[k] for r in rows)) for k in names}
    worst = {k: digits(max(r[k] for r in rows), 4) for k in ("rhat", "errors")}
    return out | worst


def case(name: str, draws: int, runs: int) -> dict[str, Any]:
    import pymc as pm

    D, rho, spread = TARGETS[name]
    S, mu = covariance(D, rho, spread), np.linspace(-1, 1, D)
    P = np.linalg.inv(S)
    logging.getLogger("pymc").setLevel(logging.ERROR)  # its import sets another
    with pm.Model() as model:  # the cheapest form that PyMC has for each
        if rho == 0:
            pm.Normal("x", mu=mu, sigma=np.sqrt(np.diag(S)))
        else:
            pm.MvNormal("x", mu=mu, chol=np.linalg.cholesky(S))
    theirs(model, 10, 0)  # compiled and warm
    ours(mu, P, 10, 0)
    a, b = [], []
    for seed in range(runs):
        a.append(judged(*_with(mu, S, timed(ours, mu, P, draws, seed))))
        b.append(judged(*_with(mu, S, timed(theirs, model, draws, seed))))
    mine, peer = median(a), median(b)
    ratio = digits(peer["per_second"] / mine["per_second"])
    print(f"{name}: {ratio} x (PyMC's effective draws a second over ours: "
          f"{peer['per_second']} over {mine['per_second']})", flush=True)  # fmt: skip
    return {"gaussian": name, "dimensions": D, "correlation": rho, "scales": spread,
            "chains": CHAINS, "draws": draws, "warmup": draws, "runs": runs,
            "ratio": ratio, "target": TARGET, "met": ratio <= TARGET,
            "ours": mine, "pymc": peer}  # fmt: skip


def _with(mu: np.ndarray, S: np.ndarray, run: tuple[np.ndarray, float]) -> tuple:
    return run[0], mu, S, run[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Our HMC against PyMC's NUTS.")
    parser.add_argument("--quick", action="store_true", help="few draws, no file")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="PyTensor could not link", append=True)
    draws, runs = (200, 1) if arguments.quick else (1000, 3)
    rows = [case(name, draws, runs) for name in TARGETS]
    packages = ("numpy", "scipy", "pymc", "pytensor", "streamrec")
    out = {
        "benchmark": "bayes",
        "format": 1,
        "title": "Hamiltonian Monte Carlo against PyMC",
        "question": "How many effective draws a second does each sampler make of the "
        "same Gaussian?",
        "command": "python benchmarks/run.py --only bayes",
        "columns": {
            "gaussian": "Gaussian",
            "dimensions": "D",
            "ours": "ours, ESS a second",
            "pymc": "PyMC, ESS a second",
            "ours_ess": "ours, ESS of 4,000",
            "pymc_ess": "PyMC, ESS of 4,000",
            "ratio": "PyMC / ours",
        },
        "rows": [
            {
                "gaussian": r["gaussian"],
                "dimensions": r["dimensions"],
                "ours": r["ours"]["per_second"],
                "pymc": r["pymc"]["per_second"],
                "ours_ess": r["ours"]["ess"],
                "pymc_ess": r["pymc"]["ess"],
                "ratio": r["ratio"],
            }
            for r in rows
        ],
        "environment": {
            "versions": {p: version(p) for p in packages},
            "threads": 1,
            "cores": os.cpu_count(),
        },  # fmt: skip
        "protocol": "4 chains in one process; smallest bulk ESS over coordinates / "
        "seconds of warm-up and draws; compilation not counted; medians of runs",
        "ess_per_second": rows,
    }
    if not arguments.quick:
        partial = RESULTS.with_suffix(".json.tmp")
        partial.write_text(json.dumps(out, indent=1) + "\n")
        os.replace(partial, RESULTS)
    wrong = [r for r in rows if max(r["ours"]["errors"], r["pymc"]["errors"]) > 5]
    for row in wrong:
        print(f"draws off the truth: {row}")
    missed = [r for r in rows if not r["met"]]
    for row in missed:
        print(f"target missed: {row['gaussian']}: {row['ratio']}")
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
