"""Who owns each file of the package, what it imports, and the package cut short."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

from streamrec.syllabus import Syllabus

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "streamrec"


def files(package: Path = PACKAGE) -> list[str]:
    """Every Python file, relative to the package."""
    return sorted(str(p.relative_to(package)) for p in package.rglob("*.py"))


def owners(book: Syllabus, package: Path = PACKAGE) -> dict[str, list[int]]:
    """File -> chapters that introduce it; support and ``__init__`` files have none.

    A file that is neither support nor introduced is not in the dictionary.
    """
    introduced: dict[str, list[int]] = {}
    for chapter in book.chapters:
        for file in chapter.introduces:
            introduced.setdefault(file, []).append(chapter.number)
    owner = dict(introduced)
    for file in files(package):
        if is_support(book, file) or file.endswith("__init__.py"):
            owner.setdefault(file, [])
    return owner


def is_support(book: Syllabus, file: str) -> bool:
    """Whether any chapter may import this file.

    A file of a support room that a chapter introduces is that chapter's.
    """
    if file in book.support:
        return True
    introduced = any(file in c.introduces for c in book.chapters)
    return file.partition("/")[0] in book.support and not introduced


def resolve(dotted: str, package: Path = PACKAGE) -> str | None:
    """``streamrec.models.ease`` -> ``models/ease.py``; None if there is none."""
    parts = dotted.split(".")
    if parts[0] != "streamrec":
        return None
    stem = "/".join(parts[1:])
    for file in (f"{stem}.py" if stem else "", f"{stem}/__init__.py".lstrip("/")):
        if file and (package / file).is_file():
            return file
    return None


def imported(source: str, package: Path = PACKAGE) -> Iterator[tuple[str, str, int]]:
    """(file, dotted name, line) of each of our modules that a source imports.

    Imports inside functions count; those for type checking alone do not. ``file`` is
    empty if the module does not exist.
    """
    tree = ast.parse(source)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped |= {id(n) for part in node.body for n in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = [f"{node.module}.{a.name}" for a in node.names]
            modules = [n for n in whole if resolve(n, package)]
            names = modules + ([node.module] if len(modules) < len(whole) else [])
        for name in names:
            if name.partition(".")[0] == "streamrec":
                yield resolve(name, package) or "", name, node.lineno


def truncate(
    book: Syllabus, number: int, folder: Path, package: Path = PACKAGE
) -> Path:
    """Copy what chapters up to ``number`` introduced, and support, below ``folder``."""
    owner = owners(book, package)
    target = folder / f"upto{number:02d}" / "streamrec"
    for path in sorted(p for p in package.rglob("*") if p.is_file()):
        file = str(path.relative_to(package))
        if "__pycache__" in path.parts:
            continue
        chapters = owner.get(file, [] if path.suffix != ".py" else None)
        if chapters is None or any(c > number for c in chapters):
            continue
        copy = target / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return target


def cycles(package: Path = PACKAGE) -> list[list[str]]:
    """Files that import each other in a ring when they are loaded."""
    edges: dict[str, set[str]] = {}
    for file in files(package):
        tree = ast.parse((package / file).read_text("utf-8"))
        top = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        source = "\n".join(ast.unparse(n) for n in top)
        edges[file] = {f for f, _, _ in imported(source, package) if f and f != file}
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(file: str, path: list[str]) -> None:
        if file in path:
            found.append([*path[path.index(file) :], file])
        elif file not in done:
            for other in sorted(edges.get(file, ())):
                visit(other, [*path, file])
            done.add(file)

    for file in edges:
        visit(file, [])
    return found
