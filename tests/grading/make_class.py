"""A class of Chapter 1: ordinary notebooks, from good to blank, the same every time.

    python tests/grading/make_class.py FOLDER [--size 30]

Each takes the exercise notebook and writes answers into its cells: the reference with
some of the stored wrong answers, some questions left blank. Names, texts and mistakes
follow from the number of the submission alone.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import random
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SLUG = "01-linear-algebra"
NAMES = (
    "almond birch cedar dogwood elm fir ginkgo hazel ivy juniper katsura larch maple "
    "nutmeg oak pine quince rowan sorrel tamarack umbrella-pine viburnum willow yew "
    "zelkova alder beech cypress dahlia ebony"
).split()


def definitions(path: Path) -> dict[str, str]:
    """Source of every function and class at the top of a file."""
    text = path.read_text("utf-8")
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ast.get_source_segment(text, node) or ""
    return found


def notebook(slug: str = SLUG) -> dict[str, Any]:
    """The exercise notebook as a learner gets it."""
    path = ROOT / "exercises" / slug / "exercises.ipynb"
    return json.loads(path.read_text("utf-8"))


def source(cell: dict[str, Any]) -> str:
    """A cell's text."""
    found = cell["source"]
    return found if isinstance(found, str) else "".join(found)


def solved(slug: str = SLUG, blank: tuple[str, ...] = ()) -> dict[str, Any]:
    """The notebook with reference answers in every question that is not blank."""
    nb = notebook(slug)
    reference = definitions(ROOT / "solutions" / "keys" / slug / "reference.py")
    asked = definitions(ROOT / "solutions" / "keys" / slug / "stub.py")
    for cell in nb["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "answer" not in tags or set(tags) & set(blank):
            continue
        if cell["cell_type"] == "markdown":
            cell["source"] = "Because the columns are orthogonal, the rest follows."
            continue
        names = [n.name for n in ast.parse(source(cell)).body if hasattr(n, "name")]
        texts = [reference[n] for n in names if n in reference]
        cell["source"] = "\n\n\n".join(texts) or source(cell)
    helpers = [t for n, t in reference.items() if n not in asked]
    if helpers:
        cell = code("\n\n\n".join(helpers))
        first = next(
            i
            for i, c in enumerate(nb["cells"])
            if "q1" in c["metadata"].get("tags", [])
        )
        nb["cells"].insert(first, cell)
    return nb


def code(text: str) -> dict[str, Any]:
    """A code cell that a learner added."""
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": "added",
        "metadata": {},
        "outputs": [],
        "source": text,
    }


def submission(number: int) -> tuple[str, dict[str, Any], dict[str, float]]:
    """(name, notebook, points expected where known) of one member of the class."""
    import yaml

    rng = random.Random(number)
    key = ROOT / "solutions" / "keys" / SLUG
    table = yaml.safe_load((key / "key.yaml").read_text("utf-8"))
    questions = [q["id"] for q in table["questions"] if q["criteria"]]
    style = number % 5  # good, one wrong, partial, wrong, blank
    share = (0.0, 0.1, 0.5, 0.3, 1.0)[style]
    blank = tuple(q for q in questions if rng.random() < share)
    nb = copy.deepcopy(solved(blank=blank))
    expected: dict[str, float] = {}
    for q in table["questions"]:
        if q["id"] not in questions:
            continue
        full = float(sum(c["points"] for c in q["criteria"]))
        expected[q["id"]] = 0.0 if q["id"] in blank else full
        wrong = q.get("wrong") or []
        if style in (1, 3) and wrong and q["id"] not in blank and rng.random() < 0.5:
            pick = rng.choice(wrong)
            text = (key / pick["file"]).read_text("utf-8").split("# mypy", 1)[1]
            text = text.split("\n", 1)[1]
            place = max(
                i
                for i, c in enumerate(nb["cells"])
                if {q["id"], "answer"} <= set(c["metadata"].get("tags", []))
            )
            nb["cells"].insert(place + 1, code(text))
            expected[q["id"]] = float(pick["points"])
    if number % 3 == 0:
        nb["cells"].append(
            code("import math\n\nprint(math.pi, A if 'A' in dir() else 0)")
        )
    turn = number // len(NAMES)
    name = NAMES[number % len(NAMES)] + (f"-{turn}" if turn else "")
    return name, nb, expected


def write_class(folder: Path, size: int = 30) -> dict[str, dict[str, float]]:
    """Write ``size`` notebooks; return the points expected of each question."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for number in range(size):
        name, nb, points = submission(number)
        (folder / f"{name}.ipynb").write_text(json.dumps(nb), "utf-8")
        expected[name] = points
    return expected


def main() -> None:
    """Write the class into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=30)
    args = parser.parse_args()
    write_class(args.folder, args.size)


if __name__ == "__main__":
    main()
