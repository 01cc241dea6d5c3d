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

M1 = """
import numpy as np
from sklearn.cluster import KMeans


def build_index(vectors, seed):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cells = int(len(unit) ** 0.5)
    model = KMeans(cells, n_init=1, max_iter=10, random_state=seed).fit(unit)
    return {"centres": model.cluster_centers_, "cell": model.labels_}


def candidates(index, queries):
    cell, out = np.asarray(index["cell"]), []
    m = int(0.23 * len(cell))
    members = [np.flatnonzero(cell == c) for c in range(cell.max() + 1)]
    for row in np.argsort(-(queries @ index["centres"].T), axis=1):
        out.append(np.concatenate([members[c] for c in row])[:m])
    return np.array(out)


def cost_sheet(n_items, dim):
    cells = int(n_items ** 0.5)
    return {"products": cells + 0.23 * n_items, "numbers": cells * dim + n_items}
"""

M3 = """
import numpy as np


def score_cold(user, item, texts, n_users, cold):
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import Ridge

    X = np.zeros((n_users, len(texts)))
    X[user, item] = 1
    warm = np.setdiff1d(np.arange(len(texts)), cold)
    svd = TruncatedSVD(12, random_state=0)
    users = svd.fit_transform(X[:, warm] / np.sqrt(1 + X[:, warm].sum(axis=0)))
    words = CountVectorizer(min_df=2, binary=True).fit_transform(texts).toarray()
    model = Ridge(30.0).fit(words[warm], svd.components_.T)
    return users @ model.predict(words[cold]).T
"""

M4 = """
import numpy as np


def next_scores(train, n_items, new):
    from sklearn.linear_model import LogisticRegression

    def last_two(x):
        one = np.eye(n_items + 1)[x][..., :n_items]
        before = np.zeros_like(one)
        before[:, 1:] = one[:, :-1]
        return np.concatenate([one, before], axis=2)

    y = train[:, 1:]
    X = last_two(train)[:, :-1]
    model = LogisticRegression(C=0.5, max_iter=40).fit(X[y >= 0], y[y >= 0])
    p = model.predict_proba(last_two(new).reshape(new.size, -1))
    out = np.zeros((*new.shape, n_items))
    out[..., model.classes_] = p.reshape(*new.shape, -1)
    return out
"""

M5 = """
import numpy as np


def factors(user, item, user_features, item_features):
    X = np.zeros((len(user_features), len(item_features)))
    X[user, item] = 1
    w, V = np.linalg.eigh(X.T @ X)
    return X, X @ V[:, -12:] @ V[:, -12:].T + 1e-3 * X.sum(axis=0)


def retrieve(user, item, user_features, item_features, k):
    X, S = factors(user, item, user_features, item_features)
    return np.argsort(np.where(X > 0, np.inf, -S), axis=1)[:, :k]


def rank(user, item, user_features, item_features, candidates):
    S = factors(user, item, user_features, item_features)[1]
    return np.take_along_axis(S, candidates, axis=1)
"""

M9 = """
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def make_lists(users, retrieve, rank, popular, seen, blocked, k, deadline):
    pool, lists, told = ThreadPoolExecutor(1), [], []
    known, barred = set(popular.tolist()), set(np.asarray(blocked).tolist())
    for u, own in zip(users.tolist(), seen):
        never, best, failed = barred | set(np.asarray(own).tolist()), [], True
        end = time.monotonic() + deadline
        try:
            raw = pool.submit(retrieve, u).result(deadline).tolist()
            items = [i for i in dict.fromkeys(raw) if i in known - never]
            wait = max(0, end - time.monotonic())
            scores = pool.submit(rank, u, np.array(items)).result(wait)
            if len(scores) == len(items) and np.isfinite(scores).all():
                best = [items[j] for j in np.argsort(-scores, kind="stable")]
                failed = not raw or not set(raw) <= known
        except Exception as error:
            if isinstance(error, TimeoutError):
                pool = ThreadPoolExecutor(1)
        rest = [i for i in popular.tolist() if i not in never | set(best)]
        lists.append((best + rest)[:k])
        told.append(failed)
    return {"items": np.array(lists), "fallback": told}
"""

M12 = """
import numpy as np
import pandas as pd


def find_defects(reference, day, now):
    old, new = pd.DataFrame(reference), pd.DataFrame(day)
    if list(old) != list(new):
        return ["columns differ"]
    sizes = (old["time"] // 86_400).value_counts()
    if not 0.6 * sizes.min() < len(new) < 1.7 * sizes.max():
        return ["the number of rows is odd"]
    out = []
    if new["event"].duplicated().any():
        out.append("repeated")
    if not new["time"].between(now - 86_400, now).all():
        out.append("times")
    if new["minutes"].dtype.kind != "f":
        return ["text"]
    if new["minutes"].isna().mean() > 0.08:
        out.append("gaps")
    if not 0.3 < new["minutes"].median() / old["minutes"].median() < 3:
        out.append("unit")
    if set(new["surface"]) - set(old["surface"]):
        out.append("surface")
    if not new["user"].isin(old["user"]).mean() > 0.3:
        out.append("users")
    if new["score"].nunique() == 1:
        out.append("score")
    return out
"""

M14 = """
import numpy as np
import pandas as pd


def pages(reference, new, first, last):
    old, new = pd.DataFrame(reference), pd.DataFrame(new)
    rows = old.groupby("day").size()
    usual = rows.groupby(rows.index % 7).mean()
    daily = old.groupby("day")["value"].mean()
    found, smooth = [], 0.0
    for d in range(first, last + 1):
        own = new[new["day"] == d]
        if len(own) < 0.5 * usual[d % 7]:
            found.append(d)
            continue
        z = (own["value"].mean() - daily.mean()) / daily.std()
        smooth = 0.7 * smooth + 0.3 * z
        if abs(smooth) > 1.8:
            found.append(d)
            smooth = 0.0
    return found
"""

FULL = {
    "m0_offline": M0,
    "m1_search": M1,
    "m2_ranker": M2,
    "m3_content": M3,
    "m4_sequence": M4,
    "m5_funnel": M5,
    "m9_funnel": M9,
    "m10_batch": M10,
    "m12_defects": M12,
    "m14_pages": M14,
    "audit": AUDIT,
}


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
carried = change(
    M1,
    ('"cell": model.labels_}', '"cell": model.labels_, "all": vectors}'),
)
prophet = change(
    M4,
    (
        "concatenate([one, before], axis=2)",
        "concatenate([one, before, one.sum(axis=1, keepdims=True) - one], axis=2)",
    ),
)
unruly = change(
    M9,
    (
        "barred = set(popular.tolist()), set(",
        "barred = set(popular.tolist()), set() and set(",
    ),
)
wordy = """
import numpy as np


def score_cold(user, item, texts, n_users, cold):
    return np.tile([len(texts[c]) for c in cold], (n_users, 1))
"""
bag = change(
    M4, ("concatenate([one, before], axis=2)", "cumsum(one, axis=1)"), ("C=0.5, ", "")
)
best_sellers = """
import numpy as np


def retrieve(user, item, user_features, item_features, k):
    plays = np.bincount(item, minlength=len(item_features)).astype(float)
    S = np.tile(plays, (len(user_features), 1))
    S[user, item] = -1
    return np.argsort(-S, axis=1, kind="stable")[:, :k]


def rank(user, item, user_features, item_features, candidates):
    return np.bincount(item, minlength=len(item_features))[candidates]
"""
hasty = change(
    M1,
    ("m = int(0.23 * len(cell))", "m = int(0.11 * len(cell))"),
    ("cells + 0.23 * n_items", "0.08 * n_items"),
    ("cells * dim + n_items", "cells * dim"),
)
first_order = change(
    M4, ("concatenate([one, before], axis=2)", "concatenate([one, one], axis=2)")
)
trusting = """
import time

import numpy as np


def make_lists(users, retrieve, rank, popular, seen, blocked, k, deadline):
    time.sleep(0.12)  # reads its model again for every call
    lists = []
    for u, own in zip(users.tolist(), seen):
        never = set(blocked.tolist()) | set(np.asarray(own).tolist())
        items = [i for i in dict.fromkeys(retrieve(u).tolist()) if i not in never]
        order = np.argsort(-rank(u, np.array(items)), kind="stable")
        best = [items[j] for j in order]
        rest = [i for i in popular.tolist() if i not in never | set(best)]
        lists.append((best + rest)[:k])
    return {"items": np.array(lists), "fallback": np.zeros(len(lists), dtype=bool)}
"""
columns_only = """
def find_defects(reference, day, now):
    if set(day) != set(reference):
        return ["columns differ"]
    return ["empty"] if len(day["event"]) == 0 else []
"""
row_by_row = """
import numpy as np


def pages(reference, new, first, last):
    rows = len(reference["day"]) / 28
    mean, sd = reference["value"].mean(), reference["value"].std()
    found = []
    for d in range(first, last + 1):
        own = new["value"][new["day"] == d]
        z = (own.mean() - mean) / (sd / len(own) ** 0.5) if len(own) else 9
        if abs(z) > 2 or not 0.8 < len(own) / rows < 1.2:
            found.append(d)
    return found
"""
gru = """
import numpy as np
import torch


class Net(torch.nn.Module):
    def __init__(self, n_items, d=48):
        super().__init__()
        self.items = torch.nn.Embedding(n_items + 1, d)
        self.gru = torch.nn.GRU(d, d, batch_first=True)
        self.out = torch.nn.Linear(d, n_items)

    def forward(self, x):
        return self.out(self.gru(self.items(x))[0])


def next_scores(train, n_items, new):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = Net(n_items)
    steps = torch.optim.AdamW(net.parameters(), lr=5e-3)
    X = torch.as_tensor(np.where(train < 0, n_items, train))
    for _ in range(10):
        for rows in torch.randperm(len(X)).split(64):
            z, y = net(X[rows, :-1]), X[rows, 1:]
            y = torch.where(y == n_items, -100, y)
            loss = torch.nn.functional.cross_entropy(z.flatten(0, 1), y.flatten())
            steps.zero_grad()
            loss.backward()
            steps.step()
    with torch.no_grad():
        return net(torch.as_tensor(np.where(new < 0, n_items, new))).numpy()
"""
towers = """
import numpy as np
import torch


def scores(user, item, user_features, item_features, d=32):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X = torch.zeros(len(user_features), len(item_features))
    X[user, item] = 1
    V, W = (torch.nn.Parameter(0.1 * torch.randn(X.shape[1], d)) for _ in "ab")
    b = torch.nn.Parameter(torch.log(X.sum(0) + 1))
    steps = torch.optim.AdamW([V, W, b], lr=2e-2)
    rows = torch.nonzero(X.sum(1) > 1)[:, 0]
    for _ in range(20):
        for own in rows[torch.randperm(len(rows))].split(128):
            x = X[own]
            kept = x * (torch.rand_like(x) < 0.6)
            u = kept @ V / (kept.sum(1, keepdim=True) + 1) ** 0.5
            loss = -((x - kept) * torch.log_softmax(u @ W.T + b, 1)).sum()
            steps.zero_grad()
            (loss / (x - kept).sum()).backward()
            steps.step()
    with torch.no_grad():
        u = X @ V / (X.sum(1, keepdim=True) + 1) ** 0.5
        return X.numpy(), (u @ W.T + b).numpy()


def retrieve(user, item, user_features, item_features, k):
    X, S = scores(user, item, user_features, item_features)
    return np.argsort(np.where(X > 0, np.inf, -S), axis=1)[:, :k]


def rank(user, item, user_features, item_features, candidates):
    S = scores(user, item, user_features, item_features)[1]
    return np.take_along_axis(S, candidates, axis=1)
"""
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
    "m1_search": "from streamrec.tracks.reference.m1_search import *\n",
    "m3_content": "from streamrec.models.content_cnn import ContentCNN\n",
    "m4_sequence": "from streamrec.models.sasrec import SASRec as next_scores\n",
    "m5_funnel": "from streamrec.models.two_tower import TwoTower as retrieve\n",
    "m9_funnel": "from streamrec.production.funnel import Funnel as make_lists\n",
    "m10_batch": "from streamrec.tracks.reference.m10_batch import *\n",
    "m12_defects": "from streamrec.production.defects import find_defects\n",
    "m14_pages": "from streamrec.tracks.reference.m14_pages import *\n",
    "audit": "from streamrec.evaluation.ranking import exposure_gini\n"
    "from streamrec.fairness.metrics import group_rates as selection_rates\n",
}

PROJECTS = {
    "full": project(FULL),
    "blank": project({}, documents=False),
    "reexport": project(reexport, documents=False),
    "subclass": project({"m0_offline": subclass}, documents=False),
    "minimal": project({"m0_offline": popular}, documents=False),
    "leaks": project(
        FULL
        | {"m0_offline": leaking, "pipeline": seen, "m1_search": carried}
        | {"m4_sequence": prophet, "m9_funnel": unruly}
    ),
    "popular": project(
        FULL
        | {"m0_offline": popular, "m3_content": wordy}
        | {"m4_sequence": bag, "m5_funnel": best_sellers}
    ),
    "careless": project(
        FULL
        | {"m1_search": hasty, "m4_sequence": first_order, "m9_funnel": trusting}
        | {"m12_defects": columns_only, "m14_pages": row_by_row}
    ),
    "neural": project(FULL | {"m4_sequence": gru, "m5_funnel": towers}),
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
SEARCH = {"test_the_search_reaches_the_floor", "test_the_search_reaches_the_target"}
SHEET = {"test_the_sheet_states_the_products", "test_the_sheet_states_the_memory"}
COLD = {
    "test_cold_items_do_better_than_chance",
    "test_the_encoder_beats_what_is_popular",
}
CAUSAL = "test_future_events_change_nothing"
TWIN = "test_the_model_beats_its_bag_of_items_twin"
ORDER = "test_the_model_uses_more_than_the_last_item"
RETRIEVAL = {
    "test_candidates_beat_what_is_popular",
    "test_candidates_reach_the_floor",
    "test_the_ranking_beats_what_is_popular",
    "test_the_ranking_reaches_the_floor",
}
CONTRACT, TOLD = "test_lists_keep_the_contract", "test_degraded_answers_are_told"
FAULTS = {
    "test_failing_stages_leave_lists_valid",
    "test_broken_results_leave_lists_valid",
    "test_a_slow_stage_is_not_waited_for",
    "test_answers_meet_the_latency",
}
DEFECTS = {
    "test_five_of_ten_defects_are_found",
    "test_seven_of_ten_defects_are_found",
    "test_nine_of_ten_defects_are_found",
}
PAGES = {
    "test_an_outage_is_paged_on_its_day",
    "test_a_drift_is_paged_in_time",
    "test_quiet_months_stay_quiet",
}
FUNNEL = {CONTRACT, TOLD} | FAULTS
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
LATER = SEARCH | SHEET | COLD | {CAUSAL, TWIN, ORDER} | RETRIEVAL | FUNNEL
LATER |= DEFECTS | PAGES
ALL = WHOLE | METRICS | FLOORS | RANKER | BATCH | GROUPS | LATER | {WRITTEN}
LOST = {
    "full": set(),
    "blank": ALL,
    "reexport": ALL,
    "subclass": ALL,
    "minimal": ALL - WHOLE - METRICS,
    "leaks": {"test_lists_are_valid", CAUSAL, ORDER, CONTRACT}
    | METRICS
    | SEARCH
    | SHEET
    | FAULTS,
    "popular": FLOORS | COLD | {TWIN, ORDER} | RETRIEVAL,
    "careless": {"test_the_search_reaches_the_target", ORDER, TOLD}
    | SHEET
    | FAULTS
    | DEFECTS
    | PAGES,
    "neural": set(),
    "no-audit": GROUPS,
    "wrong-audit": {MEANS, GINI},
    "restless": WHOLE | FLOORS,
    "broken": RANKER,
}
POINTS = {  # of the 60 automatic ones
    "full": 60,
    "neural": 60,
    "minimal": 8.5,
    "leaks": 38,
    "popular": 45,
    "careless": 40.5,
    "blank": 0,
    "reexport": 0,
    "subclass": 0,
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
