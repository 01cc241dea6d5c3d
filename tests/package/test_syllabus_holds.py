"""One list of chapters: files, contents, README and obligations agree with it."""

import re
import subprocess
import sys

import packagetree
import pytest
import yaml
from packagetree import PACKAGE, ROOT


def page(chapter):
    return ROOT / "chapters" / f"{chapter.name}.ipynb"


# ------------------------------------------------------------------ files


def test_every_file_is_support_or_introduced_by_one_chapter(book):
    owner = packagetree.owners(book)
    lost = [f for f in packagetree.files() if f not in owner]
    shared = [f for f, chapters in owner.items() if len(chapters) > 1]
    both = [
        f
        for f, chapters in owner.items()
        if chapters and packagetree.is_support(book, f)
    ]
    assert not lost, f"add to introduces (or support) in syllabus.toml: {lost}"
    assert not shared, f"introduced twice: {shared}"
    assert not both, f"support and introduced: {both}"


def test_a_written_chapter_has_its_files(book):
    missing = [
        f"chapter {c.number}: {file}"
        for c in book.chapters
        if page(c).exists()
        for file in c.introduces
        if not (PACKAGE / file).is_file()
    ]
    assert not missing, missing


def test_no_notebook_is_outside_the_list(book):
    names = {c.name for c in book.chapters}
    found = {p.stem for p in (ROOT / "chapters").glob("*.ipynb")}
    found |= {p.parent.name for p in ROOT.glob("solutions/*/solutions.ipynb")}
    found |= {p.parent.name for p in ROOT.glob("exercises/*/exercises.ipynb")}
    assert found <= names, sorted(found - names)


def test_a_room_imports_nothing_when_it_is_opened(book):
    """Chapters import from the file: a room's ``__init__`` re-exports nothing."""
    for file in packagetree.files():
        if file.endswith("/__init__.py") and not packagetree.is_support(book, file):
            source = (PACKAGE / file).read_text("utf-8")
            assert not list(packagetree.imported(source)), file


def test_files_do_not_import_each_other_in_a_ring():
    assert not packagetree.cycles()


def test_only_a_world_holds_its_truth():
    """No file outside ``worlds`` imports a module of potential outcomes."""
    for file in packagetree.files():
        if not file.startswith(("worlds/", "cli/")):
            source = (PACKAGE / file).read_text("utf-8")
            names = [name for _, name, _ in packagetree.imported(source)]
            assert not [n for n in names if n.endswith(".truth")], file


def test_estimators_and_models_never_see_a_world(book):
    """Only logs enter: the sandbox of the grader has no worlds at all."""
    for file, chapters in packagetree.owners(book).items():
        if chapters and not file.startswith("tracks/") and (PACKAGE / file).is_file():
            source = (PACKAGE / file).read_text("utf-8")
            rooms = {
                n.split(".")[1] for _, n, _ in packagetree.imported(source) if "." in n
            }
            assert "worlds" not in rooms, file


# ------------------------------------------------------------------ order and promises


def due(book, exists):
    """What ``pending`` asks for, given which chapters exist."""
    return [
        f"chapter {c.number} promised a return when chapter {n} arrived: revisit it, "
        f"then take {n} out of its pending"
        for c in book.chapters
        if exists(c)
        for n in c.pending
        if exists(book.chapter(n))
    ]


def test_no_promised_return_is_due(book):
    assert not due(book, lambda c: page(c).exists() and not c.draft)


def test_a_due_return_is_found(book):
    from dataclasses import replace

    first, *rest = (replace(c, pending=()) for c in book.chapters)
    waiting = replace(book, chapters=(replace(first, pending=(2, 16)), *rest))
    assert not due(waiting, lambda c: c.number == 1)
    assert len(due(waiting, lambda c: c.number in (1, 2))) == 1
    assert len(due(waiting, lambda c: True)) == 2


def test_chapters_need_and_promise_in_the_right_direction(book):
    numbers = [c.number for c in book.chapters]
    assert numbers == list(range(1, len(numbers) + 1))
    for c in book.chapters:
        assert all(n < c.number for n in c.needs), c.name
        assert c.number not in c.pending, c.name
    assert len({c.slug for c in book.chapters}) == len(numbers)


# ------------------------------------------------------------------ contents, README


def chapter_of(file, book):
    """The chapter that an entry of the contents shows, if any."""
    for c in book.chapters:
        if file.endswith(f"/{c.name}"):
            return c
    return None


def test_the_contents_follow_the_list(book):
    path = ROOT / "_toc.yml"
    if not path.exists():
        pytest.skip("no contents yet")
    shown = []
    for part in yaml.safe_load(path.read_text("utf-8"))["parts"]:
        for entry in part.get("chapters", []):
            c = chapter_of(entry["file"], book)
            if c is not None:
                shown.append(c.number)
                if page(c).exists():
                    assert entry["file"] == f"chapters/{c.name}"
                else:
                    assert not entry["file"].startswith("chapters/")
    assert shown == [c.number for c in book.chapters]


def between(marker):
    path = ROOT / "README.md"
    text = path.read_text("utf-8") if path.exists() else ""
    pattern = rf"<!-- {marker} -->(.*?)<!-- /{marker} -->"
    found = re.search(pattern, text, re.DOTALL)
    if not found:
        pytest.skip(f"README.md has no table of {marker} yet")
    return found.group(1)


def test_the_readme_lists_every_chapter_in_order(book):
    table = between("chapters")
    rows = re.findall(r"^\|\s*(\d+)\s*\|\s*(.*?)\s*\|", table, re.MULTILINE)
    assert [int(n) for n, _ in rows] == [c.number for c in book.chapters]
    for (_, cell), c in zip(rows, book.chapters, strict=True):
        link = f"[{c.title}](chapters/{c.name}.ipynb)"
        assert cell == (link if page(c).exists() else c.title)


def test_the_readme_lists_every_reading_path_and_what_it_needs(book):
    table = between("paths")
    for path in book.paths:
        (row,) = (r for r in table.splitlines() if r.startswith(f"| {path.name} "))
        needs = row.rstrip("| ").rpartition("|")[2]
        told = set()
        for first, last in re.findall(r"(\d+)(?:[-–](\d+))?", needs):
            told |= set(range(int(first), int(last or first) + 1))
        assert told == set(book.missing_prerequisites(path)), path.name


# ------------------------------------------------------------------ layers, weight


def test_the_layers_hold():
    code = (
        "import sys; from importlinter.cli import lint_imports_command as f; "
        "sys.argv = ['lint-imports', '--no-cache']; sys.exit(f())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_package_and_its_pages_open_light():
    code = (
        "import sys, streamrec; "
        "heavy = {'numpy', 'scipy', 'pandas', 'sklearn', 'torch', 'matplotlib', "
        "'duckdb', 'statsmodels', 'pymc', 'typer'}; "
        "print(sorted(heavy & set(sys.modules))); "
        "import streamrec.protocols, streamrec.book; "
        "print(sorted((heavy - {'numpy', 'scipy', 'pandas'}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
