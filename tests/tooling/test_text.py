"""The text view: nothing is lost on the way there and back."""

import copy
import subprocess
import sys

import nbtools
import pytest
import text
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NESTED = """\
## A theorem with parts

`````{admonition} Outer
:class: dropdown

````{prf:proof}
With `inline`, a list:

1. one

   ```{math}
   :label: eq-inner
   a = b
   ```

2. two

---

$$
x = \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}
$$ (eq-outer)
````
`````

:::{dropdown} Answer
:color: light
Yes. <!-- a comment -->
:::

(label)=
### Next

% a comment of MyST
| a | b |
| - | - |
| 1 | 2 |"""
SOURCES = [
    "SEED = 7",
    "# %% not a cell\n\nx = '''\n```\n'''",
    ":tricky: option-like first line",
    "---\nyaml: like\n---",
    "%matplotlib inline\n!ls\n%%time",
    "+++",
    "def f():\n    return '```{code-cell}'\n\n\n\nprint('é ✓ 𝛼')",
    "",
    "# comment only",
]


def notebook():
    nb = new_notebook()
    for number, source in enumerate(SOURCES):
        cell = new_code_cell(source, id=f"ch01-code-{number}")
        cell.metadata["tags"] = ["hide-input", f"q{number}"]
        cell.outputs = [new_output("stream", name="stdout", text=f"{number}\n")]
        cell.execution_count = number + 1
        nb.cells.append(cell)
        prose = new_markdown_cell(NESTED + f"\n\nPart {number}.", id=f"ch01-p-{number}")
        if number % 2:
            prose.metadata["tags"] = ["q1", "question"]
        nb.cells.append(prose)
    nb.cells[0].metadata["mystnb"] = {"figure": {"caption": "A: *b*, “c”", "name": "f"}}
    return nbtools.normalise(nb)


def there_and_back(nb):
    cells, source = text.parse(text.to_text(nb, "chapters/01-x.ipynb"))
    assert source == "chapters/01-x.ipynb"
    return text.merge(cells, copy.deepcopy(nb), "ch01-")


def test_a_nasty_notebook_survives_byte_for_byte():
    nb = notebook()
    assert nbtools.dumps(there_and_back(nb)) == nbtools.dumps(nb)


LINES = st.lists(
    st.sampled_from(
        [
            "# Title",
            "text",
            "",
            "- item",
            "  indented",
            "$x_1$",
            "| a |",
            "> quote",
            "***",
        ]
        + [
            "```python\nx\n```",
            ":::{note}\nx\n:::",
            "````{prf:proof}\n```\ny\n```\n````",
        ]
        + [
            "---",
            "key: value",
            "(a)=",
            "% c",
            "<b>h</b>",
            "\\begin{align}",
            "    code",
            "~~~",
        ]
    ),
    max_size=8,
)


@given(st.lists(st.tuples(st.booleans(), LINES), min_size=1, max_size=5))
def test_any_notebook_survives_or_is_refused(cells):
    nb = new_notebook()
    for number, (code, lines) in enumerate(cells):
        source = "\n".join(lines).strip("\n")
        make = new_code_cell if code else new_markdown_cell
        if code or source.strip():
            nb.cells.append(make(source, id=f"ch01-{number}"))
    nb = nbtools.normalise(nb)
    try:
        result = there_and_back(nb)
    except nbtools.BadInput as error:
        assert "cannot be shown as text" in str(error)
        return
    assert nbtools.dumps(result) == nbtools.dumps(nb)


@pytest.mark.parametrize(
    "source", ["a\n\n+++\n\nb", "a\n\n```{code-cell}\nx\n```\n\nb"]
)
def test_what_cannot_be_shown_is_refused_and_named(source):
    nb = new_notebook(cells=[new_markdown_cell(source, id="ch01-odd")])
    with pytest.raises(nbtools.BadInput, match="cell ch01-odd cannot be shown"):
        text.to_text(nb, "x")


def test_outputs_stay_where_the_source_stays():
    nb = notebook()
    edited = text.to_text(nb, "x").replace("SEED = 7", "SEED = 8")
    cells, _ = text.parse(edited)
    result = text.merge(cells, nb, "ch01-")
    assert result.cells[0].outputs == [] and result.cells[0].execution_count is None
    assert result.cells[2].outputs == nb.cells[2].outputs


def test_new_cells_get_readable_unique_ids():
    nb = new_notebook(cells=[new_markdown_cell("# A", id="ch01-a-new-idea")])
    edited = text.to_text(nb, "x") + (
        "\n+++\n\n## A new idea\n\n```{code-cell}\n"
        "def power_iteration(A):\n    pass\n```\n"
        "\n```{code-cell}\n:id: ch01-mine\n\n```\n\n```{code-cell}\n\n```\n"
    )
    ids = [c.id for c in text.merge(text.parse(edited)[0], nb, "ch01-").cells]
    assert ids == [
        "ch01-a-new-idea",
        "ch01-a-new-idea-2",
        "ch01-power-iteration",
        "ch01-mine",
        "ch01-cell",
    ]


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        ("```{code-cell}\n:id: a\n\n```\n\n```{code-cell}\n:id: a\n\n```\n", "twice"),
        ("```{code-cell}\n:id: a b\n\n```\n", "letters, digits"),
        ("```{code-cell}\n---\nid: [\n---\n```\n", "cannot be read"),
        ("---\nkernelspec: [\n---\n\nx\n", "cannot be read"),
    ],
)
def test_a_wrong_text_changes_nothing(tmp_path, edited, words):
    notebook_path, text_path = tmp_path / "01-x.ipynb", tmp_path / "01-x.md"
    nbtools.write(notebook(), notebook_path)
    before = notebook_path.read_bytes()
    text_path.write_text(edited)
    with pytest.raises(nbtools.BadInput, match=words) as caught:
        text.back(text_path, notebook_path)
    assert "\n" not in str(caught.value)
    assert notebook_path.read_bytes() == before


def test_unsaved_edits_are_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "FOLDER", tmp_path / "text")
    path = tmp_path / "01-x.ipynb"
    nbtools.write(notebook(), path)
    target = text.export(path)
    text.export(path)
    target.write_text(target.read_text("utf-8") + "\n+++\n\nAn edit\n", "utf-8")
    with pytest.raises(nbtools.BadInput, match="has edits"):
        text.export(path)
    text.back(target, path)
    assert nbtools.read(path).cells[-1].source == "An edit"
    assert text.export(path) == target
    target.write_text("lost", "utf-8")
    text.export(path, force=True)
    assert target.read_text("utf-8") != "lost"


def test_exercise_sources_have_texts_of_their_own(tmp_path):
    folder = tmp_path / "01-linear-algebra"
    assert text.text_path(folder / "solutions.ipynb").name == (
        "01-linear-algebra.solutions.md"
    )
    name = tmp_path / "01-linear-algebra.solutions.md"
    home = nbtools.ROOT / "solutions" / "01-linear-algebra" / "solutions.ipynb"
    assert text._home(name, None) == home
    page = nbtools.ROOT / "chapters" / "01-linear-algebra.ipynb"
    assert text._home(tmp_path / "01-anything.md", None) == page


def test_command_line_writes_there_and_back(tmp_path):
    path = tmp_path / "91-sample.ipynb"
    nbtools.write(notebook(), path)
    before = path.read_bytes()
    tool = [sys.executable, str(nbtools.ROOT / "tools" / "text.py")]
    view = nbtools.ROOT / "build" / "text" / "91-sample.md"
    try:
        subprocess.run([*tool, str(path)], check=True, capture_output=True)
        subprocess.run([*tool, "--back", str(view)], check=True, capture_output=True)
    finally:
        view.unlink(missing_ok=True)
        view.with_name(f".{view.name}.sha256").unlink(missing_ok=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "path", nbtools.all_notebooks(), ids=lambda p: p.parent.name + p.stem
)
def test_every_notebook_of_the_book_survives(path):
    nb = nbtools.read(path)
    cells, _ = text.parse(text.to_text(nb, nbtools.shown(path)))
    assert nbtools.dumps(text.merge(cells, nb, nbtools.prefix_of(path))) == (
        path.read_text("utf-8")
    )
