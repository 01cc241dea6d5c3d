"""Projects with known results: a full one, a small one and flawed ones.

``PROJECTS`` maps a name to the files of a project of track A, made from the layout that
every learner gets and from the short texts below. ``LOST`` says which criteria each
loses. No part here imports the reference.
"""

import textwrap

from streamrec.tracks import layout

NAME = "demo"

M0 = """
import numpy as np


def ndcg(ranked, relevant, k):
    out = []
    for row, good in zip(np.asarray(ranked)[:, :k], relevant):
        good = set(good)
        gain = sum(1 / np.log2(i + 2) for i, j in enumerate(row.tolist()) if j in good)
        best = sum(1 / np.log2(i + 2) for i in range(min(k, len(good))))
        out.append(gain / best if best else 0.0)
    return np.array(out)


def hold_out_last(user, time, share):
    test = np.zeros(len(user), dtype=bool)
    for u in np.unique(user):
        own = np.flatnonzero(user == u)
        own = own[np.argsort(time[own])]
        test[own[len(own) - int(share * len(own)):]] = True
    return test


def split_at(user, item, time, cut):
    train = time < cut
    known = set(zip(user[train].tolist(), item[train].tolist()))
    fresh = [pair not in known for pair in zip(user.tolist(), item.tolist())]
    return train, ~train & np.array(fresh)


def score_items(user, item, n_users, n_items):
    X = np.zeros((n_users, n_items))
    X[user, item] = 1
    P = np.linalg.inv(X.T @ X + 100 * np.eye(n_items))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    return X @ B
"""

M2 = """
def click_probability(X, y, X_new):
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=8)
    return model.fit(X, y).predict_proba(X_new)[:, 1]
"""

M10 = """
import numpy as np
import pandas as pd


def accept(event_id, event_time, arrival_time):
    t = pd.DataFrame({"id": event_id, "time": event_time, "arrival": arrival_time})
    t = t[t["time"] <= t["arrival"]].sort_values("arrival", kind="stable")
    return np.sort(t.drop_duplicates("id").index.to_numpy())


def daily(event_day, arrival_day, first, last, now):
    known = pd.Series(event_day)[np.asarray(arrival_day) <= now]
    counts = known.value_counts().reindex(range(first, last + 1), fill_value=0)
    gaps = counts.index[counts == 0].tolist()
    return {"counts": counts.to_numpy(), "missing": gaps, "age": now - known.max()}


def batch_file(users, items):
    lines = ["user,rank,item"]
    for u, row in sorted(zip(users.tolist(), items.tolist())):
        lines += [f"{u},{i},{j}" for i, j in enumerate(row, 1) if j >= 0]
    return "\\n".join(lines) + "\\n"
"""

AUDIT = """
import numpy as np
import pandas as pd

Z = 1.959963984540054


def selection_rates(selected, group):
    t = pd.Series(selected).groupby(np.asarray(group)).agg(["sum", "size"])
    k, n = t["sum"].to_numpy(float), t["size"].to_numpy(float)
    centre = (k + Z**2 / 2) / (n + Z**2)
    half = Z * np.sqrt(k * (n - k) / n + Z**2 / 4) / (n + Z**2)
    return np.c_[k / n, centre - half, centre + half]


def group_means(value, user, group):
    t = pd.DataFrame({"v": value, "u": user, "g": group})
    rows = []
    for _, own in t.groupby("g"):
        s = own.groupby("u")["v"].agg(["sum", "size"])
        mean = s["sum"].sum() / len(own)
        half = Z * np.sqrt(((s["sum"] - mean * s["size"]) ** 2).sum()) / len(own)
        rows.append((mean, mean - half, mean + half))
    return np.array(rows)


def exposure_gini(ranked, n_items, weights):
    e = np.zeros(n_items)
    np.add.at(e, np.asarray(ranked).ravel(), np.tile(weights, len(ranked)))
    e.sort()
    j = np.arange(1, n_items + 1)
    return ((2 * j - n_items - 1) * e).sum() / (n_items * e.sum())
"""

FULL = {"m0_offline": M0, "m2_ranker": M2, "m10_batch": M10, "audit": AUDIT}


def project(parts, documents=True, track="A"):
    """Files of a project whose modules ``parts`` replaces."""
    files = layout.project_files(NAME, NAME, track)
    files["data/log.csv"] = layout.example_log()
    for module, text in parts.items():
        files[f"{NAME}/{module}.py"] = text.lstrip()
    words = "\n".join(f"Sentence {n} has words of a learner in it." for n in range(20))
    for name in layout.document_templates(track) if documents else ():
        files[name] += words
    return files


def change(text, *pairs):
    """The text with some pieces replaced; each must occur."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def only(text, name):
    """Imports and one function of a text."""
    head, _, _ = text.partition("\n\n\ndef ")
    body = text.partition(f"def {name}(")[2].partition("\n\n\n")[0]
    return f"{head}\n\n\ndef {name}({body}\n"


POPULAR = textwrap.dedent(
    """
    def score_items(user, item, n_users, n_items):
        plays = np.bincount(item, minlength=n_items).astype(float)
        return np.tile(plays, (n_users, 1))
    """
)
SCORES = M0[M0.index("def score_items") :]
EASE = "P = np.linalg.inv(X.T @ X + 100 * np.eye(n_items))"

popular = change(M0, (SCORES, POPULAR))
leaking = change(
    M0,
    ("range(min(k, len(good)))", "range(len(good))"),
    ("own = own[np.argsort(time[own])]", "own = np.random.permutation(own)"),
    ("~train & np.array(fresh)", "~train | np.array(fresh)"),
)
seen = change(
    layout.template("pipeline.py"),
    ("    scores[seen] = -np.inf\n    lists", "    lists"),
)
restless = change(
    M0,
    (EASE, "X = X + np.random.normal(0, 0.2, X.shape)\n    " + EASE),
    (
        "    X[user, item] = 1",
        "    assert len(set(user)) == n_users\n    X[user, item] = 1",
    ),
)
wrong_audit = change(
    AUDIT,
    ("e.sort()", "e = np.sort(e[e > 0])\n    n_items = len(e)"),
    ("half = Z * np.sqrt(((s", "half = Z * own['v'].std() / len(own) ** 0.5 #"),
)
subclass = change(
    M0,
    (
        "import numpy as np\n",
        "import numpy as np\nfrom streamrec.models.ease import EASE\n",
    ),
    (SCORES, "class Mine(EASE):\n    pass\n\n\n" + SCORES),
)
reexport = {
    "m0_offline": "from streamrec.tracks.reference.m0_offline import *\n",
    "m2_ranker": "from streamrec.models.mlp import MLPRanker\n\n\n"
    "def click_probability(X, y, X_new):\n"
    "    return MLPRanker().fit(X, y).probability(X_new)\n",
    "m10_batch": "from streamrec.tracks.reference.m10_batch import *\n",
    "audit": "from streamrec.evaluation.ranking import exposure_gini\n"
    "from streamrec.fairness.metrics import group_rates as selection_rates\n",
}

PROJECTS = {
    "full": project(FULL),
    "blank": project({}, documents=False),
    "reexport": project(reexport, documents=False),
    "subclass": project({"m0_offline": subclass}, documents=False),
    "minimal": project({"m0_offline": popular}, documents=False),
    "leaks": project(FULL | {"m0_offline": leaking, "pipeline": seen}),
    "popular": project(FULL | {"m0_offline": popular}),
    "no-audit": project({k: v for k, v in FULL.items() if k != "audit"}),
    "wrong-audit": project(FULL | {"audit": wrong_audit}),
    "restless": project(FULL | {"m0_offline": restless}),
    "broken": project(FULL | {"m2_ranker": "def click_probability(X, y:\n"}),
}

FLOORS = {
    "test_retrieval_beats_popularity",
    "test_retrieval_reaches_the_floor",
    "test_retrieval_reaches_the_target",
}
RANKER = {
    "test_the_ranker_beats_the_base_rate",
    "test_the_ranker_keeps_up_with_a_line",
    "test_the_ranker_is_calibrated",
}
BATCH = {
    "test_duplicates_and_fast_clocks_are_set_aside",
    "test_a_batch_delivered_twice_changes_nothing",
    "test_late_events_count_in_their_own_day",
    "test_missing_days_and_age_are_told",
    "test_a_rerun_writes_the_same_text",
}
MEANS, GINI = "test_means_are_clustered_by_user", "test_gini_of_exposure"
GROUPS = {"test_rates_and_intervals", MEANS, GINI}
WHOLE = {
    "test_lists_are_valid",
    "test_the_same_seed_gives_the_same_lists",
    "test_users_without_history_get_lists",
    "test_the_notebook_runs",
}
WRITTEN = "test_the_documents_are_written"
METRICS = {
    "test_ndcg_equals_its_definition",
    "test_the_split_holds_out_each_users_last",
    "test_the_split_in_time_leaks_nothing",
}
ALL = WHOLE | METRICS | FLOORS | RANKER | BATCH | GROUPS | {WRITTEN}
LOST = {
    "full": set(),
    "blank": ALL,
    "reexport": ALL,
    "subclass": ALL,
    "minimal": FLOORS | RANKER | BATCH | GROUPS | {WRITTEN},
    "leaks": {"test_lists_are_valid", *METRICS},
    "popular": FLOORS,
    "no-audit": GROUPS,
    "wrong-audit": {MEANS, GINI},
    "restless": WHOLE | FLOORS,
    "broken": RANKER,
}


def write(folder, names=tuple(PROJECTS)):
    """Write projects below a folder, one a submission."""
    for name in names:
        files = PROJECTS[name] if name in PROJECTS else HOSTILE[name]
        for path, text in files.items():
            place = folder / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")


# ------------------------------------------------------------------ hostile and odd

snooping = """
import glob
import os
import socket
from pathlib import Path

for place in ("/grading", "/tmp", "/var", "/work", "/root", "/home"):
    for path in glob.glob(place + "/**/criteria.py", recursive=True)[:50]:
        exec(Path(path).read_text())
for name in ("worlds", "tracks.reference.m0_offline", "models.ease", "cli"):
    try:
        __import__("streamrec." + name)
    except ImportError:
        continue
    raise SystemExit("found " + name)
try:
    Path("/submission/demo/m0_offline.py").write_text("x = 1")
except OSError:
    pass
else:
    raise SystemExit("could write")
"""
heavy = "import numpy as np\n\n\ndef click_probability(X, y, X_new):\n"
heavy += "    return np.zeros(8_000_000)\n"
constant = """
import numpy as np


def recommend(user, item, n_users, n_items, k, seed=0):
    return np.tile(np.arange(k), (n_users, 1))
"""
weak = """
def click_probability(X, y, X_new):
    return y.mean() + 1e-9 * X_new[:, 5]
"""
arrays = "import numpy as np\nsummary = {'ndcg': np.array([0.4, 0.5])}\n"
arrays += "summary |= {'low': np.array([0.3, 0.3]), 'high': np.array([0.6, 0.6])}"
writes = layout.template("report.py").replace("{package}", NAME)
writes += "\nlog.to_csv('data/log.csv')\nopen('figure.svg', 'w').close()\n"


def of_windows(files):
    """The files with other line ends and a byte-order mark, and no __init__.py."""
    out = {name: text.replace("\n", "\r\n") for name, text in files.items()}
    out[layout.MANIFEST] = "\ufeff" + out[layout.MANIFEST]
    del out[f"{NAME}/__init__.py"]
    return out


HOSTILE = {
    # the same lists whatever the log, and a base rate in a rank's disguise
    "constant": project(FULL | {"pipeline": constant, "m2_ranker": weak}),
    # a summary on which the criterion itself must not stumble
    "arrays": project(FULL) | {"report.ipynb": layout.notebook("# %%\n" + arrays)},
    # an editor of Windows, and a notebook that writes files
    "windows": of_windows(project(FULL) | {"report.ipynb": layout.notebook(writes)}),
    # imports end the process, or never end
    "exits": project(FULL | {"m0_offline": "import os\nos._exit(0)\n"}),
    # what it looks for is not there; then it is an ordinary project
    "snoops": project(FULL | {"m0_offline": snooping + M0}),
    # results of 64 MB beside a world in the judge's memory
    "heavy": project(FULL | {"m2_ranker": heavy}),
    # names of libraries of its own, shadowing only itself
    "shadows": project(FULL)
    | {"streamrec/__init__.py": "", "numpy.py": "x = 1\n", "pytest.py": "x = 1\n"},
    # a notebook that is none, and one document of noise
    "noise": project(FULL) | {"report.ipynb": "[" * 5000, "docs/problem.md": "\0" * 9},
}
HOSTILE_LOST = {
    "constant": RANKER | WHOLE,
    "arrays": {"test_the_notebook_runs"},
    "windows": set(),
    "exits": WHOLE | METRICS | FLOORS,
    "snoops": set(),
    "heavy": RANKER,
    "shadows": set(),
    "noise": {"test_the_notebook_runs", WRITTEN},
}
