"""What tools/site.py generates, without building."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamrec import syllabus
from streamrec.book import figures

ROOT = Path(__file__).resolve().parents[2]


def _load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    """tools/site.py as a module (its name is also a module of Python's own)."""
    return _load("streamrec_site_tool", ROOT / "tools" / "site.py")


def test_contents_and_readme_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/site.py"), "check"],
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_chapter_is_in_the_contents_once(tool):
    book = syllabus.load()
    text = tool.contents(book)
    for chapter in book.chapters:
        assert text.count(f"/{chapter.name}\n") == 1
    for path in re.findall(r"file: (\S+)", text):
        if "generated" in path:
            continue
        assert any((ROOT / f"{path}{s}").exists() for s in (".md", ".ipynb")), path


def test_an_outline_says_that_it_is_one_and_links_what_it_needs(tool):
    book = syllabus.load()
    for chapter in book.chapters:
        page = tool.outline(book, chapter)
        assert "To come" in page and "not written" in page
        for need in chapter.needs:
            assert book.chapter(need).title in page


def test_paths_name_the_prerequisites_they_leave_out(tool):
    book = syllabus.load()
    text = tool.path_sections(book)
    for path in book.paths:
        section = text.split(f"## {path.name}\n")[1].split("\n## ")[0]
        for number in book.missing_prerequisites(path):
            line = section.split("Prerequisites that this path leaves out")[1]
            assert book.chapter(number).title in line


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SVD, ALS (explicit, implicit); then FAISS.",
         ["SVD", "ALS (explicit, implicit)", "then FAISS"]),
        ("one", ["one"]),
        ("200,000 x 128 embeddings.", ["200,000 x 128 embeddings"]),
        ("`privacy`, epsilon in {1, 3, 8, inf}.",
         ["`privacy`", "epsilon in {1, 3, 8, inf}"]),
    ],
)  # fmt: skip
def test_lists_in_prose_are_split_outside_brackets(tool, text, parts):
    assert tool.items(text) == parts


def test_runs_of_numbers_are_joined(tool):
    assert tool.numbers((1, 3, 15, 16, 17)) == "1, 3, 15–17"


def test_archives_are_deterministic(tool, tmp_path):
    folder = tmp_path / "01-x"
    folder.mkdir()
    (folder / "checks.py").write_text("x = 1\n")
    first = tool.archive(folder)
    (folder / "checks.py").touch()
    assert tool.archive(folder) == first


def test_a_broken_result_file_is_named(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json is not valid JSON"):
        tool.read_json(tmp_path / "x.json")


def test_docstrings_become_valid_markup():
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    extension = pytest.importorskip("streamrec_book")
    lines = [
        "||a - b|| <= rtol * ||b||; `Cui` keeps its name_ and ``|x|`` is literal.",
        "",
    ]
    extension.plain_docstring(None, "function", "f", None, None, lines)
    assert lines[0] == (
        r"\|\|a - b\|\| <= rtol \* \|\|b\|\|; ``Cui`` keeps its name\_ "
        r"and ``|x|`` is literal."
    )
    table = ["columns", "  user   id", "  item   id", "more", ""]
    extension.plain_docstring(None, "function", "f", None, None, table)
    assert table[0] == "| columns"


def test_inlined_figures_share_no_ids_and_use_theme_colours():
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    extension = pytest.importorskip("streamrec_book")
    svg = f'<svg id="a"><use xlink:href="#a" style="fill: {figures.BLUE}"/></svg>'
    out = extension.inline_svg(svg, 'two "curves" & more', "f1")
    assert 'id="f1-a"' in out and 'href="#f1-a"' in out
    assert "var(--fig-blue," in out
    assert 'aria-label="two &quot;curves&quot; &amp; more"' in out


def test_the_status_page_shows_what_was_measured(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "RESULTS", tmp_path)
    assert "Not measured" in tool.claims_table()
    survivor = {"file": "f", "function": "g", "before": "a | b", "after": "a"}
    counts = {"killed": 3, "survived": 1, "crashed": 2, "survivors": [survivor]}
    (tmp_path / "mutation.json").write_text(json.dumps({"chapters": {"1": counts}}))
    often = {"passed": 19, "runs": 20}
    page = {"passed": 39, "runs": 40}
    page["claims"] = {"a_b holds": often, "c": {"passed": 20, "runs": 20}}
    claims = {"seeds": 20, "chapters": {"01-linear-algebra": page}}
    (tmp_path / "claims.json").write_text(json.dumps(claims))
    row = next(
        r for r in tool.status_table(syllabus.load()).splitlines() if "| 1 |" in r
    )
    assert "75.0 % of 4" in row and "97.5 % of 40" in row
    table = tool.claims_table()
    assert table.startswith("1 claims held") and r"a\_b holds | 19 of 20" in table
    assert r"| 1 | `g` | `a \| b` | `a` | not noticed |" in tool.survivors_table()


def test_the_sample_on_the_cover_is_what_the_page_prints():
    """The check and the claim shown on the cover are stored outputs of Chapter 16."""
    cover = (ROOT / "book" / "index.md").read_text("utf-8")
    sample = re.search(r"<pre[^>]*>(.*?)</pre>", cover, re.DOTALL)[1]
    lines = html.unescape(re.sub(r"<[^>]+>", "", sample)).splitlines()
    page = json.loads(next(ROOT.glob("chapters/16-*.ipynb")).read_text("utf-8"))
    printed = "\n".join(
        text
        for cell in page["cells"]
        for output in cell.get("outputs", [])
        for text in ("".join(output.get("text", [])),)
    )
    assert len(lines) == 3
    for line in lines:
        assert line.strip() in printed, line
