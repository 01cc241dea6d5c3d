"""Set-up: the Makefile from anywhere, environments that know when stale, locks."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import env
import nbtools
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = nbtools.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The build files in a folder with a space, its environment up to date."""
    there = tmp_path_factory.mktemp("a place") / "the book"
    shutil.copytree(ROOT / "tools", there / "tools")
    for pattern in ("Makefile", "pyproject.toml", "requirements*"):
        for file in ROOT.glob(pattern):
            shutil.copy(file, there)
    shutil.copytree(ROOT / "src", there / "src")
    venv = there / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(Path(sys._base_executable).resolve())
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    (venv / "lib").symlink_to(Path(sys.prefix) / "lib")
    _, lock, data, _ = env.KINDS["full"]
    (venv / ".stamp").write_text(env.digest(lock, data, "pyproject.toml") + f" {there}")
    return there


def make(*arguments, cwd):
    """Run make as from a terminal, also when the suite itself was started by make."""
    inherited = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEFILES")
    variables = {k: v for k, v in os.environ.items() if k not in inherited}
    return subprocess.run(
        ["make", *map(str, arguments)],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


@needs_make
def test_help_lists_every_command():
    done = make("help", cwd=ROOT)
    assert done.returncode == 0
    for command in (
        "book test help serve lab chapter text run lint bench seeds mutation clean "
        "exercises"
    ).split():
        assert re.search(rf"^  {command} +\w", done.stdout, re.M), command


@needs_make
@pytest.mark.parametrize("how", ["inside", "-C", "-f"])
def test_commands_work_from_anywhere_and_in_a_path_with_a_space(copy, tmp_path, how):
    options, cwd = {
        "inside": ([], copy),
        "-C": (["-C", copy], tmp_path),
        "-f": (["-f", copy / "Makefile"], tmp_path),
    }[how]
    done = make(*options, "chapter", "CH=77", cwd=cwd)
    assert done.returncode != 0
    assert "there is no chapter 77: choose one from 1 to 39" in done.stderr
    done = make(*options, "env", cwd=cwd)
    assert (done.returncode, done.stdout.splitlines()[-1][:17]) in {
        (0, ".venv is ready"),
        (0, "make: Leaving dir"),
    }, done.stderr
    assert not list(tmp_path.iterdir())


@needs_make
def test_a_notebook_runs_in_a_path_with_a_space(copy):
    from nbformat.v4 import new_code_cell, new_notebook

    path = copy / "chapters" / "01-linear-algebra.ipynb"
    cell = new_code_cell("import os\nprint(os.path.basename(os.getcwd()))", id="ch01-x")
    nbtools.write(new_notebook(cells=[cell]), path)
    try:
        done = make("chapter", "CH=1", cwd=copy)
        assert done.returncode == 0, done.stdout + done.stderr
        assert nbtools.read(path).cells[0].outputs[0].text == "chapters\n"
        done = make("text", "CH=1", cwd=copy)
        assert "chapters/01-linear-algebra.ipynb -> build/text/" in done.stdout
    finally:
        shutil.rmtree(copy / "chapters")


@needs_make
@pytest.mark.parametrize("command", ["chapter", "text"])
def test_a_chapter_must_be_named(copy, command):
    done = make(command, cwd=copy)
    assert done.returncode != 0
    assert f"say which chapter: make {command} CH=1" in done.stderr


def test_a_wrong_python_is_named(tmp_path):
    finder = str(ROOT / "tools" / "python311")
    fake = tmp_path / "python3"
    fake.write_text(
        "#!/bin/sh\ncase $1 in --version) echo Python 3.9.2;; *) echo 3.9;; esac\n"
    )
    fake.chmod(0o755)
    done = subprocess.run(
        [finder],
        env={"PATH": os.environ["PATH"], "HOME": "/", "PYTHON": str(fake)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr
        == f"PYTHON={fake} is Python 3.9.2: this project needs Python 3.11\n"
    )


def test_no_python_says_what_to_install(tmp_path):
    for tool in ("bash", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    done = subprocess.run(
        ["bash", str(ROOT / "tools" / "python311")],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        pytest.skip("a Python 3.11 stands at a fixed place of this machine")
    assert done.returncode == 2
    assert "Python 3.11 is needed" in done.stderr and "pyenv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project whose environment takes no time to build; builds are counted."""
    for name in ("requirements.lock", "requirements-data.txt", "pyproject.toml"):
        (tmp_path / name).write_text("x==1\n")
    built = []
    monkeypatch.setattr(env, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["env.py", "full"])
    monkeypatch.setattr(
        env, "build", lambda folder, *_: (folder.mkdir(exist_ok=True), built.append(1))
    )
    return tmp_path, built


def test_an_environment_is_built_once_and_again_when_a_lock_changes(small, capsys):
    folder, built = small
    assert env.main() == 0 and built == [1]
    assert "creating .venv" in capsys.readouterr().out
    assert env.main() == 0 and built == [1]
    assert capsys.readouterr().out == ""
    for number, name in enumerate(("requirements.lock", "pyproject.toml"), 2):
        (folder / name).write_text("y==2\n")
        assert env.main() == 0 and len(built) == number


def test_a_failed_set_up_is_not_taken_for_done(small, monkeypatch, capsys):
    folder, _ = small

    def broken(*_):
        run = [
            sys.executable,
            "-c",
            "raise SystemExit('no https://user:key@host/x found')",
        ]
        env.run(run, "installing")

    monkeypatch.setattr(env, "build", broken)
    (folder / ".venv").mkdir()
    assert env.main() == 1
    assert capsys.readouterr().err == "installing failed:\n  no (address) found\n"
    assert not (folder / ".venv" / ".stamp").exists()


# ------------------------------------------------------------------ locks


def pins(name):
    lines = (ROOT / name).read_text("utf-8").splitlines()
    found = [line.split("#")[0].strip() for line in lines]
    return {
        canonicalize_name(line.split("==")[0]): line.split("==")[1]
        .split(";")[0]
        .strip()
        for line in found
        if line
    }


def unmet(requirements, lock):
    for text in requirements:
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate():
            continue
        pinned = lock.get(canonicalize_name(need.name))
        if pinned is None or not need.specifier.contains(pinned, prereleases=True):
            yield f"{text}: {pinned or 'not locked'}"


def test_the_lock_holds_what_the_project_asks_for():
    asked = PROJECT["dependencies"] + [r for group in EXTRAS.values() for r in group]
    assert not list(unmet(asked, pins("requirements.lock")))


def test_the_light_lock_holds_the_book_and_no_pytorch():
    light = pins("requirements-book.lock")
    assert not list(unmet(PROJECT["dependencies"] + EXTRAS["book"], light))
    assert not {"torch", "pymc", "feast", "statsmodels"} & set(light)


def test_the_light_lock_is_a_subset_of_the_full_one():
    full = pins("requirements.lock")
    assert pins("requirements-book.lock").items() <= full.items()


def test_pytorch_is_locked_literally_and_no_gpu_libraries():
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    assert "torch==2.13.0" in lines
    assert not [s for s in lines if re.match(r"nvidia-|triton|cuda-", s)]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-book.lock"])
def test_locks_hold_exact_pins_and_no_address(name):
    for line in (ROOT / name).read_text("utf-8").splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.!-]*( ; .+)?", line), line


def test_every_dependency_has_a_floor():
    groups = {"base": PROJECT["dependencies"], **EXTRAS}
    for requirements in groups.values():
        for text in requirements:
            assert any(
                s.operator in {">=", "=="} for s in Requirement(text).specifier
            ), text


def test_the_base_install_has_no_pytorch():
    names = {canonicalize_name(Requirement(r).name) for r in PROJECT["dependencies"]}
    assert "torch" not in names and "matplotlib" not in names


def test_this_environment_is_the_locked_one():
    lock = pins("requirements.lock")
    for name in ("numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "nbval"):
        assert version(name) == lock[name], name
