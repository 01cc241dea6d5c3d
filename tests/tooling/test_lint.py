"""Each rule of the chapter lint goes red on a page that breaks it, and only then."""

import lint
import nbtools
import pytest
import sample
from nbformat.v4 import new_output

FILE = "01-linear-algebra.ipynb"


def findings(tmp_path, nb, name=FILE):
    (tmp_path / "book").mkdir(exist_ok=True)
    (tmp_path / "book" / "references.bib").write_text("@article{eckart1936,\n}\n")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    nbtools.write(nb, path)
    return [f for f in lint.lint(path, root=tmp_path) if not f.warning]


def edit(name, old, new):
    def apply(nb):
        cell = sample.cell(nb, name)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return apply


def append(name, text):
    def apply(nb):
        sample.cell(nb, name).source += text

    return apply


def tag(name, *tags):
    def apply(nb):
        sample.cell(nb, name).metadata["tags"] = list(tags)

    return apply


def output(name, out):
    def apply(nb):
        sample.cell(nb, name).outputs.append(out)

    return apply


def note(name, key, value):
    def apply(nb):
        sample.cell(nb, name).outputs[0].metadata[key] = value

    return apply


def rename(name, new):
    def apply(nb):
        sample.cell(nb, name).id = new

    return apply


def uncounted(nb):
    sample.cell(nb, "checks").execution_count = None


def shuffled(nb):
    sample.cell(nb, "checks").execution_count = 9


def heavy_figure(nb):
    drawing = "<svg>" + "x" * 60_001 + "</svg>"
    sample.cell(nb, "figure").outputs[0].data["image/svg+xml"] = drawing


STDERR = new_output("stream", name="stderr", text="careful")
ERROR = new_output("error", ename="ValueError", evalue="x", traceback=[])
SCRIPT = new_output("display_data", data={"text/html": "<script>1</script>"})
NUMPY = new_output("stream", name="stdout", text="np.float64(1.5)\n")
HOME = new_output("stream", name="stdout", text="/home/me/x.py\n")

BROKEN = {
    "title: second H1": ("title", append("last", "\n\n# Another")),
    "title: not the syllabus's": ("title", edit("title", "Linear", "Liner")),
    "title: does not come first": ("title", edit("title", "# Linear", "Linear")),
    "objectives: four": ("objectives", edit("title", "5. judge\n", "")),
    "objectives: six": ("objectives", edit("title", "5. judge", "5. judge\n6. win")),
    "objectives: none": ("objectives", edit("title", "Learning objectives", "Aims")),
    "opening": ("opening", edit("title", "**Needs:** nothing.", "")),
    "parameters: unused": ("parameters", append("parameters", "\nDEPTH = 3")),
    "parameters: no scale": ("parameters", edit("parameters", "SCALE", "SCOPE")),
    "parameters: quick": ("parameters", edit("parameters", "book", "quick")),
    "parameters: computed": ("parameters", edit("parameters", "= 7", "= hash('x')")),
    "parameters: assigned again": (
        "parameters",
        edit("imports", "rng", "SEED = 1\nrng"),
    ),
    "parameters: untagged": ("parameters", tag("parameters")),
    "parameters: two": ("parameters", tag("fact", "parameters")),
    "checks": ("checks", edit("checks", 'check("identity 9", 9.0, 9.0)', "pass")),
    "claims": ("checks", edit("claims", 'claim("two", True)', "pass")),
    "predictions": ("predictions", edit("first", "and predict before you run", "")),
    "sections: summary": ("sections", edit("last", "## Summary", "## Ending")),
    "sections: vocabulary": ("sections", edit("last", "Key vocabulary", "Words")),
    "sections: breaks": ("sections", edit("end", "Where it breaks", "All is well")),
    "self-check: few": ("self-check", edit("self", "{dropdown}", "{note}")),
    "pytorch": ("pytorch", edit("imports", "import torch\n", "")),
    "compared: one": ("compared", tag("fact")),
    "compared: empty": ("compared", tag("imports", "nbval-check-output")),
    "compared: figure": ("compared", tag("figure", "hide-input", "nbval-check-output")),
    "figures: alt": ("figures", note("figure", "image/svg+xml", {"alt": "a line"})),
    "figures: caption": ("figures", note("figure", "streamrec", {})),
    "figures: code open": ("figures", tag("figure")),
    "figures: markdown": ("figures", append("first", "\n\n![](x.svg)")),
    "figures: directive": ("figures", append("first", "\n\n```{figure} x.svg\nx\n```")),
    "citations": ("citations", edit("first", "eckart1936", "eckart1935")),
    "decimals: a wrong value": ("decimals", edit("first", "0.123 ", "0.124 ")),
    "decimals: a wrong percentage": ("decimals", edit("first", "12.3 %", "12.4 %")),
    "decimals: another section": ("decimals", append("end", "\nIt was 0.55.")),
    "decimals: a lone formula": ("decimals", append("first", "\n\nIt is $0.42$.")),
    "decimals: in a summary": ("decimals", edit("last", "0.12", "0.13")),
    "ids: prefix": ("ids", rename("fact", "x-fact")),
    "ids: capitals": ("ids", rename("fact", "ch01-Fact")),
    "ids: random": ("ids", rename("fact", "0f3a9b1c")),
    "tags: upper case": ("tags", tag("checks", "NBVAL-CHECK-OUTPUT")),
    "tags: unknown": ("tags", tag("checks", "hidden")),
    "tags: of exercises": ("tags", tag("checks", "solution")),
    "outputs: stderr": ("outputs", output("checks", STDERR)),
    "outputs: error": ("outputs", output("checks", ERROR)),
    "outputs: script": ("outputs", output("checks", SCRIPT)),
    "outputs: numpy scalar": ("outputs", output("checks", NUMPY)),
    "outputs: never run": ("outputs", uncounted),
    "outputs: out of order": ("outputs", shuffled),
    "paths: source": ("paths", append("checks", '\nopen("/home/me/x")')),
    "paths: output": ("paths", output("checks", HOME)),
    "size: notebook": ("size", append("first", "x" * 3_000_001)),
    "size: figure": ("size", heavy_figure),
    "timing: call": ("timing", append("checks", "\ntime.perf_counter()")),
    "timing: magic": ("timing", append("checks", "\n%timeit 1")),
    "seeding": ("seeding", append("checks", "\nnp.random.seed(1)")),
    "seeding: torch": ("seeding", append("checks", "\ntorch.manual_seed(SEED)")),
    "columns": ("columns", append("checks", "\nx = " + " + ".join("1" * 50))),
}


def test_the_sample_is_clean(tmp_path):
    assert findings(tmp_path, sample.page()) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_page_is_found(tmp_path, name):
    rule, breakage = BROKEN[name]
    nb = sample.page()
    breakage(nb)
    found = findings(tmp_path, nb)
    assert rule in {f.rule for f in found}, [str(f) for f in found]


def test_every_rule_has_a_broken_page():
    warnings = {"length"}
    assert {rule for rule, _ in BROKEN.values()} == set(lint.RULES) - warnings


def test_findings_name_file_cell_and_rule(tmp_path):
    nb = sample.page()
    append("checks", "\n%timeit 1")(nb)
    (finding,) = findings(tmp_path, nb)
    line = str(finding)
    assert line.startswith(str(tmp_path / FILE) + ":ch01-checks: ")
    assert line.endswith("[timing]") and "\n" not in line


def test_long_cells_and_short_chapters_are_warnings(tmp_path):
    nb = sample.page()
    append("checks", "\nx = 1" * 20)(nb)
    path = tmp_path / FILE
    nbtools.write(nb, path)
    kinds = {f.rule for f in lint.lint(path) if f.warning}
    assert kinds == {"columns", "length"}


@pytest.mark.parametrize(
    "text",
    [
        "We take 0.95 <!-- lint: allow 0.95 --> as given.",
        "% lint: allow 0.951\nWe take 0.951.",
        "As {cite:p}`eckart1936` reports, 0.888.",
        "See Section 16.4, Theorem 2.31 and equation 3.77.",
        "Released under CC BY 4.0 with Python 3.11 and numpy>=2.47.",
        "Code `x = 0.456` is not prose.",
        "A formula $\\alpha = 0.456$ is not either.",
        "$$\n0.456\n$$",
        "```python\n0.456\n```",
        "```{math}\n0.456\n```",
        "[here](https://example.org/0.456)",
    ],
)
def test_given_decimals_are_allowed(tmp_path, text):
    nb = sample.page()
    append("first", "\n\n" + text)(nb)
    assert findings(tmp_path, nb) == []


def test_canonical_figures_are_allowed(tmp_path):
    folder = tmp_path / "src" / "streamrec" / "worlds"
    folder.mkdir(parents=True)
    (folder / "canon.toml").write_text("[effects]\nnaive = 8.31\n")
    nb = sample.page()
    append("first", "\n\nThe slide says 8.3 minutes.")(nb)
    assert findings(tmp_path, nb) == []


def test_sources_of_exercises_have_their_own_tags_and_no_anatomy(tmp_path):
    nb = sample.page()
    tag("fact", "q1", "solution")(nb)
    nb.cells = nb.cells[1:]
    name = "01-linear-algebra/solutions.ipynb"
    assert findings(tmp_path, nb, name) == []
    append("checks", "\nnp.random.seed(1)")(nb)
    assert [f.rule for f in findings(tmp_path, nb, name)] == ["seeding"]
