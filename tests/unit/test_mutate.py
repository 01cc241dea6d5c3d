"""The mutation tool: which mutants it makes, and what it says of each."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import mutate  # noqa: E402


def afters(body, header="def f(X, y, n):"):
    lines = "\n".join("    " + line for line in body.splitlines())
    return [
        m.after for m in mutate.mutants(f"# derivation\n{header}\n{lines}\n", "f.py")
    ]


# ------------------------------------------------------------------ making mutants


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return X + y", {"return X - y", "return X", "return y"}),
        ("return X * y", {"return X / y"}),
        ("return X ** 2", {"return X", "return X ** 3"}),
        ("return X ** n", {"return X", "return X ** (n + 1)"}),
        ("return X.T @ y", {"return X @ y", "return y @ X.T", "return X.T @ y.T"}),
        ("return np.transpose(X)", {"return X"}),
        ("return -X", {"return X"}),
        ("return X[:n]", {"return X[:n + 1]"}),
        ("return X[0]", {"return X[1]"}),
        ("return 2 * X", {"return X", "return 1 * X", "return 3 * X"} - {"return X"}),
        ("return 0.5 * X", {"return 1.0 * X", "return 0.5 / X"}),
        ("for i in range(n):\n    y += X\nreturn y",
         {"for i in range(n - 1):", "y -= X", "pass"}),
        ("if X < y:\n    return X\nreturn y", {"if X >= y:"}),
        ("w = X - y\nreturn w", {"w = 2 * (X - y)", "return 2 * w"}),
    ],
)  # fmt: skip
def test_every_operator_is_applied(body, expected):
    assert expected <= set(afters(body))


@pytest.mark.parametrize(
    "body",
    [
        "'''a - b'''",
        "raise ValueError(n - 1)",
        "assert X - y, n - 1",
        "if n - 1 < 0:\n    raise ValueError(n)",
        "return f'{n - 1}'",
        "return X.sum(axis=1 - n).tolist(dtype=n + 1), None",
        "z: n - 1 = X",
        "return [X] + [y]",
        "return float('nan')",
    ],
)
def test_messages_guards_and_text_are_left_alone(body):
    assert not [a for a in afters(body) if "2 * (" not in a]


def test_marks_are_found_above_decorators_and_in_classes():
    source = (
        "def plain(x):\n    return -x\n"
        "# derivation: eq-one\n@decorated\ndef one(x):\n    return -x\n"
        "class A:\n    # derivation\n    def two(self, x=1 + 1):\n        return -x\n"
        "# derivation\n\ndef apart(x):\n    return -x\n"
    )
    assert {m.function for m in mutate.mutants(source, "f.py")} == {"one", "A.two"}


def test_every_mutant_parses_differs_and_is_made_in_the_same_order():
    path = mutate.PACKAGE / "evaluation" / "compare.py"
    made = mutate.mutants(path.read_text(), "compare.py")
    assert made == mutate.mutants(path.read_text(), "compare.py")
    assert len({m.source for m in made}) == len(made) > 10
    for m in made:
        compile(m.source, "m", "exec")
        assert m.before != m.after


def test_a_failed_check_is_a_kill_and_another_error_is_not():
    from streamrec.book import CheckError, ClaimError

    for error in (CheckError("x"), ClaimError("x"), AssertionError()):
        assert mutate.is_kill(error)
    assert mutate.is_kill(ExceptionGroup("g", [ValueError(), AssertionError()]))
    assert not mutate.is_kill(ExceptionGroup("g", [ValueError()]))
    assert not mutate.is_kill(ValueError())
    with pytest.raises(BaseException) as caught:
        pytest.fail("no error raised")
    assert mutate.is_kill(caught.value)


def test_a_fork_reports_times_out_and_survives_sudden_ends():
    def endless():
        while True:
            pass

    assert mutate.forked(lambda: {"status": "survived"}, 10) == {"status": "survived"}
    assert mutate.forked(endless, 0.3)["why"] == "more than 0.3 s of computing"
    waits = mutate.forked(lambda: time.sleep(60), 10, patience=0.5)
    assert waits["why"] == "more than 0.5 s"
    assert mutate.forked(lambda: os._exit(0), 10)["why"] == "the process ended early"
    assert "ValueError" in mutate.forked(lambda: int("x"), 10)["why"]
    assert mutate.forked(lambda: bytearray(2**40), 10)["status"] == "crashed"


# ------------------------------------------------------------------ the package

MODULE = '''
"""Toy."""
import numpy as np

# derivation
def spread(x):
    """Variance.

    >>> spread(np.array([1.0, 3.0]))
    2.0
    """
    return float(((x - x.mean()) ** 2).sum() / (len(x) - 1))

# derivation
def shift(a, b):
    return a - b

# derivation
def dot(a, b):
    return float(a @ b)

# derivation
def endless(n):
    while n > 0:
        n -= 1
    return n
'''
TESTS = """
import numpy as np
from toypack.toy import dot, endless, shift, spread

def test_spread():
    assert abs(spread(np.array([1.0, 2.0, 4.0, 9.0])) - 38 / 3) < 1e-12

def test_shift():
    assert shift(3, 0) == 3

def test_dot():
    assert dot(np.array([1.0, 2.0]), np.array([3.0, 5.0])) == 13

def test_endless():
    assert endless(3) == 0
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Results of the toy package's mutants, keyed by function and new statement."""
    root = tmp_path_factory.mktemp("toy root")
    package = root / "src" / "toypack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "toy.py").write_text(MODULE)
    (root / "test_toy.py").write_text(TESTS)
    code = f"""
import json, sys
from pathlib import Path
sys.path[:0] = [{str(TOOLS)!r}, {str(root / "src")!r}]
import mutate
mutate.PACKAGE = Path({str(package)!r})
path = mutate.PACKAGE / "toy.py"
made = mutate.mutants(path.read_text(), "toy.py")
real = mutate.forked
mutate.forked = lambda task, limit: real(task, min(limit, 2))
results = mutate.run_module(path, made, [Path({str(root / "test_toy.py")!r})], None)
rows = [(m.function, m.after, r["status"]) for m, r in zip(made, results)]
print(json.dumps(rows))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {(f, after): status for f, after, status in json.loads(done.stdout)}


def test_a_checked_formula_loses_every_mutant(toy):
    statuses = {s for (f, _), s in toy.items() if f == "spread"}
    assert statuses == {"killed"}


def test_a_formula_tested_at_zero_keeps_one(toy):
    assert toy["shift", "return a + b"] == "survived"
    assert toy["shift", "return a"] == "survived"
    assert toy["shift", "return -b"] == "killed"


def test_a_transposed_vector_is_no_survivor(toy):
    assert toy["dot", "return float(a.T @ b)"] == "no effect"
    assert toy["dot", "return float(b @ a)"] == "no effect"


def test_an_endless_mutant_is_left_out(toy):
    assert toy["endless", "n += 1"] == "crashed"


# ------------------------------------------------------------------ pages


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Results of a page's mutants."""
    cells = [
        ("p", 'SCALE = "book"', ["parameters"]),
        ("f", "# derivation\ndef area(w, h):\n    return w * h", []),
        ("g", "# derivation\ndef half(x):\n    return x / 2", []),
        ("u", 'assert SCALE == "quick"\nfrom streamrec.book import check', []),
        ("r", "1 / 0", ["raises-exception"]),
        ("c", 'check("area", area(3.0, 5.0), 15.0)', []),
        ("d", "half(0); {True: 1}[half(8) < 10]", []),
    ]
    nb = nbformat.v4.new_notebook()
    for name, source, tags in cells:
        cell = nbformat.v4.new_code_cell(source, id=name, metadata={"tags": tags})
        nb.cells.append(cell)
    path = tmp_path_factory.mktemp("page") / "01-toy.ipynb"
    nbformat.write(nb, path)
    code = f"""
import json, sys
from pathlib import Path
sys.path[:0] = [{str(TOOLS)!r}]
import mutate
path = Path({str(path)!r})
made = mutate.Target("1", path, None).mutants()
results = mutate.run_page(path, made)
print(json.dumps([(m.function, m.after, r["status"]) for m, r in zip(made, results)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {(f, after): s for f, after, s in json.loads(done.stdout.splitlines()[-1])}


def test_a_page_kills_by_check_and_not_by_crash(page):
    assert page["area", "return w / h"] == "killed"
    assert page["area", "return 2 * (w * h)"] == "killed"
    assert page["half", "return x * 2"] == "crashed"
    assert page["half", "return x / 3"] == "survived"


# ------------------------------------------------------------------ lists and results


def test_listed_mutants_need_a_reason(tmp_path):
    path = tmp_path / "list.toml"
    path.write_text('[[mutant]]\nfile = "f.py"\nfunction = "f"\nafter = "return a"\n')
    with pytest.raises(mutate.BadInput, match="reason"):
        mutate.listed(path)
    path.write_text(path.read_text() + 'reason = "b is zero by (3)"\n')
    entries = mutate.listed(path)
    source = "# derivation\ndef f(a, b):\n    return a - b\n"
    named = [
        m.after for m in mutate.mutants(source, "f.py") if mutate.is_listed(m, entries)
    ]
    assert named == ["return a"]
    assert mutate.listed(tmp_path / "missing.toml") == []


def test_every_listed_mutant_exists():
    for entry in mutate.listed():
        path = mutate.nbtools.ROOT / entry["file"]
        made = mutate.Target("", path, None).mutants()
        assert any(mutate.is_listed(m, [entry]) for m in made), entry


def test_results_merge_by_chapter(tmp_path):
    path = tmp_path / "mutation.json"
    mutate.record({"2": mutate.Tally(killed=9, survived=1)}, {"2": []}, path)
    mutate.record({"1": mutate.Tally(killed=1)}, {"1": []}, path)
    survivor = {"file": "f", "function": "g", "before": "a", "after": "b"}
    mutate.record({"3": mutate.Tally(survived=1)}, {"3": [survivor]}, path)
    assert mutate.known_survivors(path) == {("f", "g", "a", "b")}
    result = json.loads(path.read_text())
    assert list(result["chapters"]) == ["1", "2", "3"]
    assert result["chapters"]["2"]["score"] == 0.9


def test_the_tests_of_a_file_are_found_by_name(tmp_path):
    for name in ("test_ease.py", "test_models_conformance.py", "test_als.py"):
        (tmp_path / name).write_text("")
    found = mutate.tests_of(mutate.PACKAGE / "models" / "ease.py", tmp_path)
    assert [p.name for p in found] == ["test_ease.py", "test_models_conformance.py"]


@pytest.mark.parametrize("argv", [["--chapter", "99"], ["--module", "no.py"],
                                  ["--chapter", "x"]])  # fmt: skip
def test_bad_input_is_one_line(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        mutate.main(argv)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_sample_is_seeded():
    pairs = [(None, i) for i in range(50)]
    assert mutate.sample(pairs, 3, 1, "4") == mutate.sample(pairs, 3, 1, "4")
    assert mutate.sample(pairs, 3, 1, "4") != mutate.sample(pairs, 3, 2, "4")


def test_results_are_kept_until_what_they_depend_on_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(mutate, "KEPT", tmp_path)
    path = mutate.nbtools.ROOT / "src/streamrec/models/ease.py"
    page = mutate.nbtools.chapter_path(1)
    target = mutate.Target("1", path, page)
    one, two, three = target.mutants()[:3]
    note = mutate.keeper(target.kept, target.state(), 3)
    note(one, {"status": "killed", "why": "a test"})
    note(two, {"status": "survived", "by": "page"})
    with target.kept.open("a") as file:
        file.write('{"state": ["cut sho')
    names = [json.dumps(mutate._place(m)) for m in (one, two, three)]
    assert set(mutate.kept_results(target)) == set(names[:2])
    other = mutate.Target("1", path, None)  # as if the page had changed
    assert set(mutate.kept_results(other)) == {names[0]}
    tests, code = target.state()
    monkeypatch.setattr(mutate.Target, "state", lambda self: ["new", code])
    assert mutate.kept_results(target) == {}
