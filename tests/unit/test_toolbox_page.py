"""The page of the toolbox works as pasted, and prints what it says it prints."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from streamrec.cli import main

PAGE = Path(__file__).resolve().parents[2] / "book" / "toolbox.md"


def blocks():
    """Code blocks of the page in order: (language, text)."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


def squeezed(text):
    """Lines without borders and with single spaces."""
    lines = (" ".join(line.replace("─", "").split()) for line in text.splitlines())
    return [line for line in lines if line]


def printed(language, text):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if language == "python":
            exec(compile(text, "toolbox.md", "exec"), {})
        else:
            for line in text.strip().splitlines():
                words = shlex.split(line.removeprefix("$ "))
                assert words[0] == "streamrec"
                assert main(words[1:]) == 0, line
    return out.getvalue()


def test_every_block_of_the_page_runs_and_prints_what_stands_there(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    said, tried = "", 0
    for language, text in blocks():
        if language in ("console", "python"):
            said, tried = printed(language, text), tried + 1
        elif language == "text":
            got = squeezed(said)
            missing = [line for line in squeezed(text) if line not in got]
            assert not missing, "\n".join([*missing, "--- printed:", *got])
    assert tried == 11 and (tmp_path / "report.html").exists()


def test_the_plan_of_the_page_is_a_plan():
    import yaml

    from streamrec.experiments.plan import ExperimentPlan

    plan, _ = (yaml.safe_load(t) for language, t in blocks() if language == "yaml")
    assert ExperimentPlan.from_mapping(plan).control == "control"


def test_the_recipe_of_the_page_is_the_one_behind_its_example():
    import yaml

    from streamrec.production.example import RECIPE

    _, recipe = (yaml.safe_load(t) for language, t in blocks() if language == "yaml")
    assert recipe == yaml.safe_load(RECIPE)


def test_the_snippets_of_the_page_are_wrong_as_it_says():
    with pytest.raises(ImportError):
        from statsmodels.stats.power import proportion_effectsize  # noqa: F401
    from sklearn.metrics import mean_squared_error

    with pytest.raises(TypeError):
        mean_squared_error([1.0], [1.0], squared=False)
