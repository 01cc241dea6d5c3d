"""The wheel carries what a learner outside the repository needs, and works alone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "streamrec"
# What the package reads at run time besides its own code.
DATA = (".toml", ".yaml", ".json", ".md", ".html", ".css", ".tmpl")

THREE_LINES = """
import pandas as pd
from streamrec.data.interactions import Interactions
from streamrec.models.ease import EASE

df = pd.DataFrame({"user": list("aabbc"), "item": [1, 2, 2, 3, 2]})
train = Interactions.from_frame(df)
model = EASE(lam=1.0).fit(train)
print(model.recommend(["c", "new"], k=1).items.tolist())

import sys, streamrec
from streamrec.syllabus import load
assert len(load().chapters) > 0
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
print(streamrec.__file__)
"""


def call(command: list[str], cwd: Path, **environment: str) -> str:
    """Output of a command; the test fails with its messages when it does."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    got = subprocess.run(
        command, cwd=cwd, env=clean | environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert got.returncode == 0, f"{command}\n{got.stdout[-3000:]}\n{got.stderr[-3000:]}"
    return got.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that the repository stays as it was."""
    folder = tmp_path_factory.mktemp("a wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            (copy / name).write_bytes((ROOT / name).read_bytes())
    for path in files():
        target = copy / "src" / path.relative_to(PACKAGE.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel"]
    call(
        [*pip, "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."], copy
    )
    return next(folder.glob("streamrec-*.whl"))


def files() -> list[Path]:
    hidden = ("__pycache__", ".ipynb_checkpoints")
    every = (p for p in PACKAGE.rglob("*") if not set(p.parts) & set(hidden))
    return [p for p in every if p.is_file() and p.suffix != ".tmp"]


def test_wheel_carries_every_module_and_data_file(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        p.relative_to(PACKAGE.parent).as_posix()
        for p in files()
        if p.suffix in (".py", *DATA) or p.name == "py.typed"
    }
    assert "streamrec/syllabus.toml" in needed
    assert needed <= inside, f"missing in the wheel: {sorted(needed - inside)}"


def test_every_kind_of_file_in_the_package_is_known():
    """A file of a new kind must be added to package-data and to this test."""
    strange = [
        p.relative_to(PACKAGE).as_posix()
        for p in files()
        if p.suffix not in (".py", *DATA) and p.name != "py.typed"
    ]
    assert not strange, f"not covered by package-data: {strange}"


def test_wheel_carries_nothing_else(wheel):
    for name in zipfile.ZipFile(wheel).namelist():
        assert name.startswith(("streamrec/", "streamrec-")), name
        assert not name.endswith((".pyc", ".ipynb", ".tmp")), name


def test_base_install_asks_for_no_heavy_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith("METADATA"))
        lines = archive.read(name).decode().splitlines()
    base = [s for s in lines if s.startswith("Requires-Dist") and "extra ==" not in s]
    for heavy in ("torch", "matplotlib", "statsmodels", "pymc", "numba", "jupyter"):
        assert not any(heavy in line for line in base), heavy


def test_three_lines_in_an_empty_environment(wheel, tmp_path):
    """Only the base dependencies are lent, as links; anything else would not import."""
    environment = tmp_path / "empty venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    vars_ = {"base": str(environment), "platbase": str(environment)}
    site = Path(sysconfig.get_path("purelib", vars=vars_))
    outer = Path(sysconfig.get_path("purelib"))
    lent = (
        "numpy", "numpy.libs", "scipy", "scipy.libs", "pandas", "pytz", "dateutil",
        "tzdata", "six.py",
    )  # fmt: skip
    for name in lent:
        if (outer / name).exists():
            (site / name).symlink_to(outer / name)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
    call([*pip, "--no-deps", "--no-index", str(wheel)], tmp_path)
    script = tmp_path / "three.py"
    script.write_text(THREE_LINES)
    lists, where = call([str(python), "-I", str(script)], tmp_path).splitlines()
    assert lists == "[[1], [2]]"
    assert Path(where).is_relative_to(site)
    with pytest.raises(AssertionError, match="No module named 'torch'"):
        call([str(python), "-I", "-c", "import torch"], tmp_path)


def test_a_project_is_laid_out_and_checked_from_an_empty_folder(wheel, tmp_path):
    """Templates and criteria come from the wheel, unpacked before all else."""
    unpacked, empty = tmp_path / "unpacked", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    streamrec = [sys.executable, "-m", "streamrec.cli", "project"]
    here = {"PYTHONPATH": str(unpacked)}
    call([*streamrec, "new", "demo", "--track", "A"], empty, **here)
    assert [p.name for p in empty.iterdir()] == ["demo"]
    said = call([*streamrec, "check", "demo"], empty, **here)
    assert "0 of 11 are yours" in said and said.count("✓") == 4
    where = "import streamrec; print(streamrec.__file__)"
    found = call([sys.executable, "-c", where], empty, **here)
    assert Path(found.strip()).is_relative_to(unpacked)
