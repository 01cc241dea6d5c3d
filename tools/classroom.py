"""A class to try grading on, and the pictures of the instructor's guide.

    python tools/classroom.py write FOLDER     a class of 36, with sheets, to grade
    python tools/classroom.py write FOLDER --hostile    with every hostile one
    python tools/classroom.py pictures         grade it, photograph the pages

The class is that of the tests: thirty ordinary notebooks of Chapter 1 and six odd ones
(an endless loop, a file that is no notebook ...), the same every time. Beside the
folder ``class`` stand ``due.csv`` and ``roster.csv``. The pictures are written to
``book/images`` and need Chromium; root grades as the user that ``.ci/run`` makes.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbtools

from streamrec.grading.ingest import discover

ROOT = nbtools.ROOT
KEY = ROOT / "solutions" / "keys" / "01-linear-algebra"
IMAGES = ROOT / "book" / "images"
ODD = (
    "endless-loop",
    "syntax-error",
    "not-json",
    "renamed",
    "thirty-gigabytes",
    "script-in-answers",
)
DUE = datetime(2026, 10, 12, 23, 59, tzinfo=UTC)
WIDTH = 860  # of a picture, in pixels
SHARES = (0, 40, 75, 75, 100, 100)  # what the reader of the class gives


def write(folder: Path, hostile: bool = False) -> Path:
    """Write ``class``, ``due.csv`` and ``roster.csv``; return the folder.

    hostile: all submissions that attack, not only the odd six.
    """
    sys.path.insert(0, str(ROOT / "tests" / "grading"))
    import make_class
    import make_hostile

    place = folder / "class"
    if place.exists():
        raise nbtools.BadInput(f"{place} exists already: give another folder")
    make_class.write_class(place, 30)
    with tempfile.TemporaryDirectory() as name:
        words = ("CANARY", "KEY", "OUTPUT", "OTHER")
        nowhere = {w: "/nonexistent" for w in words} | {"PORT": "9"}
        make_hostile.write_hostile(Path(name), nowhere)
        for path in sorted(Path(name).iterdir()):
            if hostile and path.is_dir():
                shutil.copytree(path, place / path.name, symlinks=True)
            elif hostile or (path.is_file() and path.name.startswith(ODD)):
                shutil.copy(path, place / path.name, follow_symlinks=False)
    rng = random.Random(1)
    rows = [["id", "due", "submitted"], ["*", f"{DUE:%Y-%m-%dT%H:%M+00:00}", ""]]
    for entry in discover(place):
        late = timedelta(hours=rng.choice((-30, -9, -5, -3, -2, -1, -1, 4, 30)))
        rows.append([entry.id, rows[1][1], f"{DUE + late:%Y-%m-%dT%H:%M+00:00}"])
    _table(folder / "due.csv", rows)
    _table(folder / "roster.csv", [["id"], *([r[0]] for r in rows[2:]), ["absent"]])
    return folder


def _table(path: Path, rows: Iterable[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    nbtools.write_text(text.getvalue(), path)


def mark(sheet: Path, blank: int = 9) -> None:
    """Fill in a sheet as a reader might, all but the last ``blank`` lines."""
    with sheet.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    head, rng = rows[0], random.Random(2)
    for row in rows[1 : len(rows) - blank]:
        row[head.index("points")] = f"{rng.choice(SHARES)}%"
    _table(sheet, rows)


def grade(folder: Path) -> None:
    """The three commands of the guide, each with the time it took."""
    sys.path.insert(0, str(ROOT / "tests" / "grading"))
    import unprivileged

    why = unprivileged.lacking()
    if why:
        raise nbtools.BadInput(why)
    out, sheet = str(folder / "results"), folder / "results" / "manual.csv"
    commands = [
        ["run", str(folder / "class"), "--key", str(KEY), "--output", out],
        ["sheet", out],
        ["report", out, "--manual", str(sheet), "--due", str(folder / "due.csv")]
        + ["--roster", str(folder / "roster.csv"), "--export", "canvas"],
    ]
    for words in commands:
        if words[0] == "report":
            mark(sheet)
        unprivileged.give(folder)
        start = time.perf_counter()
        done = unprivileged.python("-m", "streamrec.cli", "grade", *words)
        if done.returncode > 1:
            raise nbtools.BadInput(done.stderr.strip())
        seconds = time.perf_counter() - start
        print(f"grade {words[0]}: {seconds:.0f} s, exit {done.returncode}")
        print("  " + done.stdout.strip().splitlines()[-1])


PICTURES = {  # name: page below the results, height, where to look
    "grading-overview": ("overview.html", 1080, "h1"),
    "grading-feedback": ("feedback/quince.html", 620, "h1"),
    "grading-hints": ("feedback/quince.html", 560, "#q8"),
}


def pictures(results: Path, target: Path = IMAGES) -> None:
    """Photograph the pages of a report, with few colours so that files stay small."""
    from PIL import Image
    from PIL.Image import Dither
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((p for n in names if (p := shutil.which(n))), None)
    if program is None:
        raise nbtools.BadInput("pictures need Chromium: install it")
    off = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=program, args=off)
        for name, (page, height, where) in PICTURES.items():
            tab = browser.new_page(viewport={"width": WIDTH, "height": height})
            tab.goto((results / page).as_uri())
            box = tab.locator(where).first.bounding_box() or {"y": 0}
            above = 50 if where == "h1" else 16
            tab.evaluate("y => window.scrollTo(0, y)", max(0, box["y"] - above))
            image = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
            small = image.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Dither.NONE)
            path = target / f"{name}.png"
            small.save(path, optimize=True)
            print(f"{nbtools.shown(path)}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


def main() -> int:
    """0 done, 2 bad input."""
    parser = argparse.ArgumentParser(
        description="A class to try grading on; the pictures of the guide."
    )
    tasks = parser.add_subparsers(dest="task", required=True)
    one = tasks.add_parser("write", help="write the class and its sheets")
    one.add_argument("folder", type=Path)
    one.add_argument("--hostile", action="store_true", help="with all that attack")
    tasks.add_parser("pictures", help="grade the class and photograph the pages")
    args = parser.parse_args()
    try:
        if args.task == "write":
            print(f"written: {write(args.folder, args.hostile) / 'class'}")
            return 0
        folder = Path(tempfile.mkdtemp(prefix="streamrec-class-"))
        try:
            grade(write(folder))
            pictures(folder / "results")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except nbtools.BadInput as error:
        nbtools.fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
