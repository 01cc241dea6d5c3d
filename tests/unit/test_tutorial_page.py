"""The tutorial works as pasted: its files, its commands, its advice."""

import re
import shlex
from pathlib import Path

import pytest

from streamrec.cli.main import main

PAGE = Path(__file__).resolve().parents[2] / "book" / "tutorial.md"


def blocks():
    """Code blocks of the page in order: (language, text)."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)


def commands(text):
    for line in text.strip().splitlines():
        words = shlex.split(line.removeprefix("$ "))
        assert words[0] == "streamrec"
        yield words[1:]


def test_a_file_of_ones_own_from_the_page_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, done = {}, 0
    for language, text in blocks():
        if language == "python":
            exec(compile(text, "tutorial.md", "exec"), names)
        elif language == "console" and "out/a" not in text:
            for words in commands(text):
                allowed = (0, 1) if words[0] == "monitor" else (0,)
                assert main(words) in allowed, words
                done += 1
    assert done == 3
    out = capsys.readouterr().out
    assert "report: out/shop/report.html" in out
    assert (tmp_path / "out/shop/report.html").is_file()
    assert (tmp_path / "out/monitor/report.html").is_file()


@pytest.mark.slow
def test_movielens_from_the_page_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for language, text in blocks():
        if language == "console" and "out/a" in text:
            for words in commands(text):
                more = ["--quick"] if words[0] == "track" else []
                assert main(words + more) == 0
    assert "popular" in capsys.readouterr().out
    assert (tmp_path / "out/a/report.html").is_file()


def test_the_advice_quotes_what_the_command_says(tmp_path, capsys):
    """Each line of the table of errors is part of a real one."""
    import pandas as pd

    t = pd.DataFrame({"client": ["a", "b", "a"], "sku": [1, 2, 1], "when": [5, 6, 7]})
    wrong = {
        "missing 'sku' for the item": t.rename(columns={"sku": "thing"}),
        "far beyond the present": t.assign(when=t["when"] + 1_700_000_000_000),
        "duplicate row": t,
        "no time column": t.drop(columns="when").drop_duplicates(),
        "three interactions or more": t.head(2),
    }
    page = PAGE.read_text("utf-8")
    for words, table in wrong.items():
        assert words in page
        table.to_csv(tmp_path / "bad.csv", index=False)
        columns = "user=client,item=sku" + (",time=when" if "when" in table else "")
        command = ["track", "run", "a", "--data", str(tmp_path / "bad.csv")]
        assert main([*command, "--map", columns, "-o", str(tmp_path / "out")]) == 2
        assert words in capsys.readouterr().err
