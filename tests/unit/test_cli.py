"""The command line: exit codes, one-line errors, shared flags, light imports."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from streamrec.cli import main
from streamrec.cli import output as output_module
from streamrec.cli.main import COMMANDS, wrong_python
from streamrec.cli.progress import track

GOOD = "user,item,time,rating\n1,5,10,3\n1,6,20,4\n2,5,30,5\n"


@pytest.fixture
def run(capsys):
    """Run the command; give back exit code, stdout, stderr."""

    def call(*args):
        code = main([str(a) for a in args])
        return code, *capsys.readouterr()

    return call


def assert_one_line(result, *parts):
    code, out, err = result
    assert code == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    for part in parts:
        assert part in err


# -- top level ---------------------------------------------------------------------


def test_help_lists_every_command(run):
    code, out, err = run("--help")
    assert code == 0 and err == ""
    for name, (_, text) in COMMANDS.items():
        assert name in out and text[:20] in out


def test_version(run):
    assert run("--version")[:2] == (0, "streamrec 0.1.0\n")


def test_every_command_has_help_and_the_shared_flags(run):
    for name in COMMANDS:
        code, out, err = run(name, "--help")
        assert code == 0 and err == "", name
    for words in (("chapters",), ("data", "check"), ("data", "summary")):
        _, out, _ = run(*words, "--help")
        for flag in ("-o, --output", "-c, --config", "-v, --verbose", "--format"):
            assert flag in out, words


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("nope",), "nope"),
        (("chapters", "x"), "[N]"),
        (("chapters", "--colour"), "--colour"),
        (("chapters", "--format", "xml"), "xml"),
        (("data", "check"), "--input"),
        (("data", "nope"), "nope"),
    ],
)
def test_wrong_usage_is_one_line(run, words, part):
    assert_one_line(run(*words), part)


def test_no_arguments_show_help(run):
    for words in ((), ("data",)):
        code, out, _ = run(*words)
        assert code == 2 and "Usage" in out


def test_wrong_python(run, monkeypatch):
    assert wrong_python((3, 11, 0)) is None
    for version in ((3, 10, 9), (3, 12, 0), (2, 7, 18)):
        assert "needs Python 3.11" in wrong_python(version)
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    assert_one_line(run("--help"), "needs Python 3.11 and this is 3.9")


class Boom:
    """Stands in for a room whose command raises."""

    def __init__(self, error):
        import typer

        self.app = typer.Typer(add_completion=False)

        @self.app.command()
        def command(verbose: bool = typer.Option(False, "--verbose", "-v")) -> None:
            raise error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ValueError("give\nit  a name"), 2, "error: give it a name"),
        (KeyError("there is no x"), 2, "error: there is no x"),
        (
            FileNotFoundError(2, "No such file", "a.csv"),
            2,
            "error: a.csv: No such file",
        ),
        (ModuleNotFoundError("no", name="torch"), 2, "'torch' is not installed"),
        (RuntimeError("odd"), 3, "error: RuntimeError: odd (a bug of streamrec"),
        (KeyboardInterrupt(), 130, "stopped: interrupted"),
    ],
)
def test_exit_codes(run, monkeypatch, error, code, text):
    monkeypatch.setitem(COMMANDS, "boom", ("tests_boom:app", "Raise."))
    monkeypatch.setitem(sys.modules, "tests_boom", Boom(error))
    got, out, err = run("boom")
    assert got == code and out == "" and text in err and err.count("\n") == 1
    assert "Traceback" not in err
    if code in (2, 3):
        assert "Traceback" in run("boom", "--verbose")[2]


def test_a_failed_check_exits_with_one(run, monkeypatch):
    import typer

    monkeypatch.setitem(COMMANDS, "boom", ("tests_boom:app", "Fail."))
    monkeypatch.setitem(sys.modules, "tests_boom", Boom(typer.Exit(1)))
    assert run("boom") == (1, "", "")


# -- chapters ----------------------------------------------------------------------


def test_chapters(run):
    code, out, _ = run("chapters")
    assert code == 0 and "Linear Algebra" in out and len(out.splitlines()) > 39
    code, out, _ = run("chapters", "--format", "json")
    assert [row["chapter"] for row in json.loads(out)] == list(range(1, 40))
    code, out, _ = run("chapters", "1", "--format", "json")
    assert json.loads(out)["page"] == "chapters/01-linear-algebra.ipynb"


@pytest.mark.parametrize("number", ["0", "40"])
def test_a_chapter_that_does_not_exist(run, number):
    assert_one_line(run("chapters", number), f"no chapter {number}", "1 to 39")


# -- data --------------------------------------------------------------------------


def test_data_check(run, tmp_path):
    file = tmp_path / "r.csv"
    file.write_text(GOOD)
    code, out, err = run("data", "check", "-i", file, "--format", "json")
    record = json.loads(out)
    assert code == 0 and err == ""
    assert (record["users"], record["items"], record["interactions"]) == (2, 2, 3)
    assert record["value_mean"] == 4 and record["time_last"] == "1970-01-01T00:00:30"
    code, out, _ = run("data", "check", "-i", file)
    assert code == 0 and "interactions" in out and "{" not in out


def test_data_check_maps_columns_and_merges(run, tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("client,sku\nann,1\nbob,1\nbob,2\nbob,2\n")
    assert_one_line(run("data", "check", "-i", file), "client, sku", "--user client")
    names = ("--user", "client", "--item", "sku")
    assert_one_line(
        run("data", "check", "-i", file, *names), "1 duplicate row", "line 5"
    )
    _, out, _ = run(
        "data",
        "check",
        "-i",
        file,
        *names,
        "--on-duplicates",
        "sum",
        "--format",
        "json",
    )
    assert json.loads(out)["interactions"] == 3


def test_warnings_are_one_line(run, tmp_path):
    file = tmp_path / "r.csv"
    file.write_text(GOOD.replace(",10,", ",1700000000000,"))
    code, out, err = run("data", "check", "-i", file)
    assert code == 0 and err.startswith("warning: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user,item\n",
        "a,b\n1,2\n",
        "user,item,rating\n1,2,x\n2,3,1\n",
        "user,item,rating\n1,2,\n2,3,1\n",
        "user,item,time\n1,2,-4\n2,3,1\n",
        "user,item\n1,2\n1,3\n",
        "user,item\n1,2\n2,2\n",
        "user,item\n1,2\n1,2\n2,3\n",
    ],
)
def test_bad_files_are_one_line_and_write_nothing(run, tmp_path, text):
    file, out = tmp_path / "r.csv", tmp_path / "out.json"
    file.write_text(text)
    assert_one_line(run("data", "check", "-i", file, "-o", out), "r.csv: ")
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]


def test_data_summary(run, tmp_path):
    out = tmp_path / "summary.json"
    words = ("data", "summary", "--dataset", "movielens-100k", "--format", "json")
    assert run(*words, "-o", out) == (0, "", "")
    record = json.loads(out.read_text())
    assert (record["users"], record["items"]) == (943, 1682)
    assert_one_line(run(*words, "-o", tmp_path / "no" / "x"), "does not exist")
    assert_one_line(run(*words, "-o", tmp_path), "is a folder")
    assert_one_line(run(*words, "-i", tmp_path / "none"), "there is no file")


def test_a_missing_data_package(run, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda n, *a: None if n == "recbole" else find(n, *a),
    )
    result = run("data", "summary", "--dataset", "movielens-100k")
    assert_one_line(
        result, "'recbole'", "pip install --no-deps -r requirements-data.txt"
    )


# -- configuration, output, progress -----------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.yaml", "format: json\non-duplicates: sum\n"),
        ("c.toml", 'format = "json"\non_duplicates = "sum"\n'),
        ("c.json", '{"format": "json", "on_duplicates": "sum"}'),
    ],
)
def test_a_configuration_file_sets_defaults(run, tmp_path, name, text):
    ratings, config = tmp_path / "r.csv", tmp_path / name
    ratings.write_text("user,item\n1,1\n1,1\n2,2\n")
    config.write_text(text)
    code, out, _ = run("data", "check", "-i", ratings, "-c", config)
    assert code == 0 and json.loads(out)["value_largest"] == 2
    # The command line wins, wherever it stands.
    code, out, _ = run(
        "data", "check", "--format", "table", "-c", config, "-i", ratings
    )
    assert code == 0 and "{" not in out


def test_a_configuration_file_can_give_a_required_option(run, tmp_path):
    ratings, config = tmp_path / "r.csv", tmp_path / "c.yaml"
    ratings.write_text(GOOD)
    config.write_text(f"input: {ratings}\n")
    assert run("data", "check", "-c", config)[0] == 0


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("colour: red\n", "unknown option colour"),
        ("- a\n- b\n", "must hold lines such as"),
        ("a: [\n", "cannot be read"),
        ("format: xml\n", "xml"),
    ],
)
def test_a_bad_configuration_file(run, tmp_path, text, part):
    config = tmp_path / "c.yaml"
    config.write_text(text)
    assert_one_line(run("chapters", "-c", config), part)
    assert_one_line(run("chapters", "-c", tmp_path / "none.yaml"), "does not exist")


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "out.txt"
    file.write_text("old")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(output_module.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        output_module.write_text(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_progress_is_silent_when_nobody_watches(capsys):
    assert list(track(iter("abc"), after=0)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_progress_shows_on_a_terminal_only_when_it_takes_time(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(track(range(3), "Fitting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    seen = []
    for i in track(range(3), "Fitting", after=0.0):
        seen.append(i)
        time.sleep(0.01)
    out, err = capsys.readouterr()
    assert seen == [0, 1, 2] and out == "" and "Fitting" in err


# -- imports -----------------------------------------------------------------------


def modules_after(code):
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


HEAVY = {
    "pandas",
    "scipy",
    "sklearn",
    "torch",
    "duckdb",
    "matplotlib",
    "numba",
    "polars",
}


def test_importing_the_package_is_light():
    assert not modules_after("import streamrec") & (HEAVY | {"numpy", "typer", "rich"})


def test_help_and_chapters_load_no_heavy_library():
    for words in (["--help"], ["chapters"], ["chapters", "3"]):
        code = f"from streamrec.cli import main\nmain({words!r})"
        assert not modules_after(code) & (HEAVY | {"numpy"}), words


def test_reading_and_evaluating_load_no_learning_library():
    code = (
        "import streamrec.data.interactions, streamrec.data.splits\n"
        "import streamrec.data.sources, streamrec.evaluation.ranking\n"
        "import streamrec.evaluation.compare, streamrec.book"
    )
    assert not modules_after(code) & (HEAVY - {"pandas", "scipy"})


def test_the_installed_command_and_a_closed_pipe():
    command = [sys.executable, "-m", "streamrec.cli", "chapters"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "Linear Algebra" in done.stdout
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()  # like  streamrec chapters | head -0
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_examples_of_help_can_be_pasted(capsys):
    """Each command of an example stands alone, or ends its lines with a backslash."""

    seen = 0
    for room, target in COMMANDS.items():
        app = _command(target[0])
        for name, part in getattr(app, "commands", {}).items():
            assert main([room, name, "--help"]) == 0
            text = capsys.readouterr().out.replace("\\\n", " ")
            known = {o for p in part.params for o in p.opts} | {"-o", "-i"}
            for line in text.splitlines():
                if line.startswith(f"    streamrec {room} "):
                    words = line.split()
                    assert words[2] == name and "streamrec" not in words[1:]
                    assert {w for w in words if w.startswith("-")} <= known
                    seen += 1
    assert seen >= 15


def _command(target):
    import importlib

    import typer

    module, _, name = target.partition(":")
    return typer.main.get_command(getattr(importlib.import_module(module), name))


def test_a_full_disk_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    """Not the temporary one, and nothing is left behind."""

    def full(*args):
        raise OSError(28, "No space left on device", "/some/temporary/name")

    monkeypatch.setattr(output_module.os, "replace", full)
    with pytest.raises(OSError, match="No space left") as found:
        output_module.write_text(tmp_path / "report.html", "text")
    assert found.value.filename == str(tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
