"""Chapter n runs on the package cut after what chapters up to n introduced."""

import ast
import json
import subprocess
import sys

import nbformat
import packagetree
import pytest
from packagetree import PACKAGE, ROOT


def notebooks(chapter):
    """The page and the exercise notebooks of a chapter that exist."""
    paths = [
        ROOT / "chapters" / f"{chapter.name}.ipynb",
        ROOT / "solutions" / chapter.name / "solutions.ipynb",
        ROOT / "exercises" / chapter.name / "exercises.ipynb",
    ]
    return [p for p in paths if p.exists()]


def code_of(path):
    """Source of the code cells, without magics."""
    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        if cell.cell_type == "code":
            yield (
                cell.id,
                "\n".join(
                    "" if line.lstrip().startswith(("%", "!")) else line
                    for line in cell.source.splitlines()
                ),
            )


def written(book):
    return [c for c in book.chapters if notebooks(c)]


# ------------------------------------------------------------------ imports, read


def too_early(book, number, source, where, package=PACKAGE):
    """Imports of files that chapters after ``number`` introduce."""
    owner = packagetree.owners(book, package)
    lines = []
    for file, name, line in packagetree.imported(source, package):
        if not file:
            lines.append(f"{where}, line {line}: there is no {name}")
        elif any(c > number for c in owner.get(file, [])):
            chapters = owner[file]
            lines.append(
                f"{where}, line {line}: {name} arrives in chapter {chapters[0]}"
            )
    return lines


# These judge a world with the whole package; no chapter needs them to run.
MEASURING = ("worlds/calibration.py", "worlds/validation.py")


def test_no_file_imports_what_a_later_chapter_introduces(book):
    owner = packagetree.owners(book)
    problems = []
    for file in packagetree.files():
        chapters = owner.get(file)
        # The command line and the reference project take the rooms that are there.
        late = file.startswith(("cli/", "tracks/reference/")) or file in MEASURING
        if chapters is None or late:
            continue
        source = (PACKAGE / file).read_text("utf-8")
        number = chapters[0] if chapters else 0
        problems += too_early(book, number, source, file)
    assert not problems, "\n".join(problems)


def test_no_notebook_imports_what_a_later_chapter_introduces(book):
    problems = []
    for chapter in written(book):
        for path in notebooks(chapter):
            for cell, source in code_of(path):
                where = f"{path.parent.name}/{path.name} cell {cell}"
                problems += too_early(book, chapter.number, source, where)
    assert not problems, "\n".join(problems)


def test_notebooks_import_from_the_file(book):
    """Not through a room's ``__init__``, which would hide who introduced what."""
    problems = []
    for chapter in written(book):
        for path in notebooks(chapter):
            for cell, source in code_of(path):
                for file, name, _ in packagetree.imported(source):
                    room = file.endswith("__init__.py")
                    if room and not packagetree.is_support(book, file):
                        problems.append(f"{path.name} cell {cell}: {name}")
    assert not problems, "\n".join(problems)


# ------------------------------------------------------------------ imports, done

# Imports in one process that forks for each truncation, so that third-party libraries
# are loaded once.
SCRIPT = """
import importlib, json, os, sys, traceback
job = json.load(open(sys.argv[1]))
for name in job["libraries"]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for one in job["truncations"]:
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        continue
    sys.path.insert(0, one["folder"])
    sys.dont_write_bytecode = True
    import streamrec
    assert streamrec.__file__.startswith(one["folder"]), streamrec.__file__
    for name, source in one["imports"]:
        try:
            exec(source, {})
        except ImportError as error:
            ours = "streamrec" in (getattr(error, "name", "") or str(error))
            if ours:
                print(f"chapter {one['number']}: {name}: {error}")
        except Exception as error:
            print(f"chapter {one['number']}: {name}: {type(error).__name__}: {error}")
    sys.stdout.flush()
    os._exit(0)
"""


def libraries():
    """Third-party modules that files of the package import when they are loaded."""
    found = set()
    for file in packagetree.files():
        for node in ast.parse((PACKAGE / file).read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                found |= {a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    return sorted(n for n in found if n.partition(".")[0] != "streamrec")


def imports_of(target):
    """Every module of a truncated package, as import statements."""
    for file in packagetree.files(target):
        if "/visible/" in file or file.endswith("__main__.py"):
            continue
        stem = file.removesuffix(".py").removesuffix("/__init__")
        name = "streamrec" if stem == "__init__" else f"streamrec.{stem}"
        yield name.replace("/", "."), f"import {name.replace('/', '.')}"


def statements(path):
    """Import statements of ours in a notebook."""
    for cell, source in code_of(path):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                text = ast.unparse(node)
                if "streamrec" in text:
                    yield f"{path.name} cell {cell}", text


def run(truncations, folder, preload=()):
    job = folder / "job.json"
    job.write_text(json.dumps({"libraries": preload, "truncations": truncations}))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(job)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def test_every_truncation_imports(book, tmp_path):
    pages = {c.number: notebooks(c) for c in written(book)}
    grows = {c.number for c in book.chapters if c.introduces}
    truncations = []
    for number in sorted(grows | set(pages) | {0}):
        target = packagetree.truncate(book, number, tmp_path)
        imports = list(imports_of(target))
        for path in pages.get(number, []):
            imports += statements(path)
        truncations.append(
            {"number": number, "folder": str(target.parent), "imports": imports}
        )
    assert not run(truncations, tmp_path, libraries())


# ------------------------------------------------------------------ they can fail


@pytest.fixture
def broken(book, tmp_path):
    """A package whose first chapter leans on the sixth."""
    package = tmp_path / "streamrec"
    for file in ("__init__.py", "protocols.py", "models/__init__.py"):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text("")
    (package / "models" / "ease.py").write_text("from streamrec.models import mlp\n")
    (package / "models" / "mlp.py").write_text("import streamrec.models.ease\n")
    return package


def test_an_early_import_is_found(book, broken):
    source = (broken / "models" / "ease.py").read_text()
    (line,) = too_early(book, 1, source, "ease.py", broken)
    assert "streamrec.models.mlp arrives in chapter 6" in line
    assert not too_early(book, 6, source, "ease.py", broken)
    assert too_early(book, 1, "import streamrec.models.none", "x", broken)
    lazy = "def f():\n    from streamrec.models.mlp import MLP"
    assert too_early(book, 1, lazy, "x", broken)
    typed = "if TYPE_CHECKING:\n    from streamrec.models.mlp import MLP"
    assert not too_early(book, 1, typed, "x", broken)


def test_a_cut_package_that_cannot_be_imported_is_found(book, broken, tmp_path):
    target = packagetree.truncate(book, 1, tmp_path, broken)
    assert not (target / "models" / "mlp.py").exists()
    one = {"number": 1, "folder": str(target.parent)}
    said = run([{**one, "imports": list(imports_of(target))}], tmp_path)
    assert "chapter 1: streamrec.models.ease" in said


def test_a_cycle_is_found(broken):
    assert packagetree.cycles(broken)
