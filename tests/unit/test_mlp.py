"""The click network: PyTorch's forward pass, errors, determinism, files, learning."""

import numpy as np
import pytest
from scipy.special import expit

from streamrec.models import mlp
from streamrec.models.base import NotFittedError
from streamrec.models.mlp import MLPRanker
from streamrec.protocols import Ranker

torch = pytest.importorskip("torch")


def data(n=1500, p=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * [1, 10, 0.1, 3, 1][:p] + [0, 5, -2, 0, 0][:p]
    z = (X - X.mean(0)) / X.std(0)
    y = (rng.uniform(size=n) < expit(2 * z[:, 0] * z[:, 1] - 0.5)).astype(int)
    return X, y


@pytest.fixture(scope="module")
def fitted():
    X, y = data()
    return MLPRanker(hidden=(16, 8), epochs=25, batch=64, lr=1e-2).fit(X, y), X, y


def test_is_a_ranker(fitted):
    assert isinstance(fitted[0], Ranker)


def test_numpy_scores_are_pytorchs(fitted):
    model, X, _ = fitted
    a = torch.tensor((X - model.mean_) / model.scale_)
    layers = []
    for W, b in zip(model.W_, model.b_):
        linear = torch.nn.Linear(*W.shape).double()
        linear.weight.data, linear.bias.data = torch.tensor(W.T), torch.tensor(b)
        layers += [linear, torch.nn.ReLU()]
    want = torch.nn.Sequential(*layers[:-1])(a)[:, 0].detach().numpy()
    np.testing.assert_allclose(model.score(X), want, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(model.probability(X), expit(want), rtol=1e-10)


def test_forward_by_loops():
    rng = np.random.default_rng(3)
    W = [rng.normal(size=s) for s in ((3, 4), (4, 2), (2, 1))]
    b = [rng.normal(size=w.shape[1]) for w in W]
    X = rng.normal(size=(6, 3))
    for x, got in zip(X, mlp.forward(X, W, b)):
        a = x
        for layer in range(3):
            rows, columns = W[layer].shape
            a = [
                sum(a[i] * W[layer][i, j] for i in range(rows)) + b[layer][j]
                for j in range(columns)
            ]
            a = [max(v, 0) for v in a] if layer < 2 else a
        assert got == pytest.approx(a[0])


def test_the_start_has_hes_variance_and_the_base_rate():
    rng = np.random.default_rng(0)
    W, b = mlp.initial_weights([50, 400, 300, 1], 0.2, rng)
    assert W[0].std() == pytest.approx(np.sqrt(2 / 50), rel=0.02)
    assert W[1].std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert W[2].std() == pytest.approx(np.sqrt(2 / 300) / 10, rel=0.2)
    assert expit(b[2]) == pytest.approx([0.2])
    assert not b[0].any() and not b[1].any()


def test_the_last_layer_starts_a_tenth_as_large():
    W, _ = mlp.initial_weights([6, 4, 1], 0.5, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    rng.normal(size=(6, 4))
    np.testing.assert_allclose(W[1], np.sqrt(2 / 4) / 10 * rng.normal(size=(4, 1)))


def test_the_step_decays_as_stated(monkeypatch):
    seen = []
    step = torch.optim.AdamW.step

    def record(self, *args, **kwargs):
        seen.append({group["lr"] for group in self.param_groups})
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", record)
    model = MLPRanker(hidden=(3,), lr=0.1, decay=0.5, epochs=3, patience=3, batch=500)
    model.fit(*data(100))
    want = [0.1, 0.1 / np.sqrt(2), 0.1 / np.sqrt(3)]
    np.testing.assert_allclose([s.pop() for s in seen], want)


def test_no_decay_is_a_constant_step():
    X, y = data(200)
    one = MLPRanker(hidden=(3,), decay=0.0, epochs=1).fit(X, y)
    other = MLPRanker(hidden=(3,), decay=2.0, epochs=1).fit(X, y)
    assert (one.score(X) == other.score(X)).all()  # the first pass takes lr


def test_learns_an_interaction_that_a_line_cannot(fitted):
    model, X, y = fitted
    fresh, outcome = data(seed=1)
    line = MLPRanker(hidden=(), epochs=25, batch=64, lr=1e-2).fit(X, y)
    losses = [
        -np.log(np.where(outcome == 1, q, 1 - q)).mean()
        for q in (model.probability(fresh), line.probability(fresh))
    ]
    assert losses[0] < losses[1] - 0.1
    assert len(line.W_) == 1


def test_no_hidden_layer_is_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    X, y = data(2000)
    model = MLPRanker(hidden=(), epochs=60, batch=50, lr=5e-2, decay=1, weight_decay=0)
    p = model.fit(X, y, validation=(X, y)).probability(X)
    Z = (X - X.mean(0)) / X.std(0)
    want = LogisticRegression(C=1e6).fit(Z, y).predict_proba(Z)[:, 1]
    assert abs(p - want).max() < 0.02


def test_the_seed_decides(fitted):
    model, X, y = fitted
    again = MLPRanker(hidden=(16, 8), epochs=25, batch=64, lr=1e-2).fit(X, y)
    other = MLPRanker(hidden=(16, 8), epochs=25, batch=64, lr=1e-2, seed=1).fit(X, y)
    assert (again.score(X) == model.score(X)).all()
    assert (other.score(X) != model.score(X)).any()


def test_fit_leaves_the_global_generators_alone():
    before = torch.random.get_rng_state().clone()
    MLPRanker(hidden=(3,), epochs=1).fit(*data(100))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_last_rows_validate_and_the_best_pass_is_kept():
    X, y = data(600)
    model = MLPRanker(hidden=(32,), epochs=60, patience=4, lr=2e-2, batch=32)
    model.fit(X, y, validation=0.25)
    losses = model.history_[:, 1]
    assert model.best_ == losses.argmin()
    assert len(losses) == min(60, model.best_ + 1 + 4)
    np.testing.assert_allclose(model.mean_, X[:450].mean(0))
    p = model.probability(X[450:])
    held_out = -np.log(np.where(y[450:] == 1, p, 1 - p)).mean()
    assert held_out == pytest.approx(losses.min(), rel=1e-4)
    given = MLPRanker(hidden=(32,), epochs=60, patience=4, lr=2e-2, batch=32)
    given.fit(X[:450], y[:450], validation=(X[450:], y[450:]))
    assert (given.score(X) == model.score(X)).all()


def test_units_of_a_feature_do_not_matter():
    X, y = data(400)
    scores = [
        MLPRanker(hidden=(6,), epochs=3).fit(X * unit, y).score(X * unit)
        for unit in (1.0, 1024.0)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-3, atol=1e-4)


def test_a_constant_feature_is_harmless():
    X, y = data(300)
    model = MLPRanker(hidden=(4,), epochs=2).fit(np.c_[X, np.full(300, 0.1)], y)
    assert np.isfinite(model.score(np.c_[X, np.full(300, 0.1)])).all()


def test_files(fitted, tmp_path):
    model, X, _ = fitted
    path = model.save(tmp_path / "clicks.npz")
    loaded = MLPRanker.load(path)
    assert (loaded.score(X) == model.score(X)).all()
    assert (loaded.hidden, loaded.lr) == ((16, 8), 1e-2)
    assert loaded.best_ == model.best_
    assert list(tmp_path.iterdir()) == [path]
    with np.load(path, allow_pickle=False) as file:
        assert "W0" in file.files


@pytest.mark.parametrize("content", ["other", "text", "foreign"])
def test_files_of_others_are_refused(content, tmp_path):
    path = tmp_path / "x.npz"
    if content == "text":
        path.write_text("hello")
    elif content == "other":
        np.savez(path, a=np.ones(2))
    else:
        np.savez(path, meta=np.array('{"model": "EASE", "format": 1}'))
    with pytest.raises(ValueError, match="not a saved MLPRanker"):
        MLPRanker.load(path)


def test_not_fitted(tmp_path):
    for act in (lambda m: m.score(np.ones((2, 2))), lambda m: m.save(tmp_path / "a")):
        with pytest.raises(NotFittedError):
            act(MLPRanker())


def broken(X, row, column, value):
    X = X.copy()
    X[row, column] = value
    return X


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda X, y: (X[:, 0], y), "table"),
        (lambda X, y: (X[:0], y[:0]), "table"),
        (lambda X, y: (X, y[:-1]), r"y must have shape \(100,\)"),
        (lambda X, y: (X, y[:, None]), "y must have shape"),
        (lambda X, y: (broken(X, 3, 2, np.nan), y), "column 2: impute"),
        (lambda X, y: (broken(X, 3, [1, 2], np.inf), y), "column 1 and 1 more"),
        (lambda X, y: (X, y * 2), "only 0 and 1"),
        (lambda X, y: (X, np.where(y == 1, np.nan, 0)), "only 0 and 1"),
        (lambda X, y: (X, y * 0), "every training outcome is 0"),
        (lambda X, y: (X, y * 0 + 1), "every training outcome is 1"),
        (lambda X, y: (X, y, 0), "share in"),
        (lambda X, y: (X, y, 1.5), "share in"),
        (lambda X, y: (X[:1], y[:1], 0.5), "no row is left"),
        (lambda X, y: (X, y, (X[:, :2], y)), "fitted on 5 features, X has 2"),
        (lambda X, y: (X, y, (X, y[:3])), "y must have shape"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        MLPRanker(hidden=(3,), epochs=1).fit(*change(*data(100)))


def test_bad_input_when_scoring(fitted):
    model, X, _ = fitted
    with pytest.raises(ValueError, match="fitted on 5 features, X has 4"):
        model.score(X[:, :4])
    with pytest.raises(ValueError, match="column 0"):
        model.score(broken(X, 0, 0, np.nan))


@pytest.mark.parametrize(
    "settings",
    [{"hidden": (3, 0)}, {"lr": 0}, {"batch": 0}, {"epochs": 0}, {"patience": 0},
     {"weight_decay": -1}, {"decay": -0.5}, {"decay": float("nan")},
     {"lr": float("nan")}],
)  # fmt: skip
def test_bad_settings(settings):
    with pytest.raises(ValueError):
        MLPRanker(**settings)


def test_divergence_is_said():
    X, y = data(300)
    with pytest.raises(ValueError, match="diverged"):
        MLPRanker(hidden=(8,), lr=1e30, epochs=20).fit(X, y)
