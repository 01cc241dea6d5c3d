"""The command ``streamrec``: a table of rooms, each loaded only when it is asked for.

Adding a subcommand takes two steps.

1. Write a module with a ``typer.Typer`` named ``app`` (or any other name), using the
   shared flags so that every command feels the same::

       import typer
       from streamrec.cli import flags
       from streamrec.cli.output import emit

       app = typer.Typer(help="Simulated worlds.", no_args_is_help=True)

       @app.command()
       def describe(
           config: flags.Config = None,
           output: flags.Output = None,
           format: flags.Format = flags.TABLE,
           verbose: flags.Verbose = False,
       ) -> None:
           emit({"users": 1000}, format, output)

2. Add one line to ``COMMANDS``: name -> ("module:app", one line of help).

A command reports trouble by raising ``ValueError`` (or ``KeyError``, ``OSError``,
``ImportError``) with one sentence that says what to do: :func:`main` prints it as
``error: ...`` and exits with 2. A check that ran and failed is ``raise typer.Exit(1)``.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

COMMANDS: dict[str, tuple[str, str]] = {
    "chapters": ("streamrec.cli.chapters:app", "List the chapters, or show one."),
    "data": ("streamrec.cli.data:app", "Check a ratings file; summarise data sets."),
    "world": ("streamrec.cli.world:app", "Simulated worlds: describe, calibrate."),
    "grade": ("streamrec.cli.grade:app", "Grade submissions; check a key."),
    "project": (
        "streamrec.cli.project:app",
        "Your own project: lay it out, check it.",
    ),
    "track": ("streamrec.cli.track:app", "Run a whole track on a data set."),
    "experiment": (
        "streamrec.cli.experiment:app",
        "Experiments: design, assign, analyze.",
    ),
    "features": (
        "streamrec.cli.features:app",
        "Tables of features: profile, leaks, shifts.",
    ),
    "monitor": (
        "streamrec.cli.monitor:app",
        "Compare a week of events with weeks that were good.",
    ),
    "recommend": (
        "streamrec.cli.recommend:app",
        "A user's list from the last night, with reasons.",
    ),
    "model": (
        "streamrec.cli.model:app",
        "Models: evaluate predictions, check before release.",
    ),
    "stats": (
        "streamrec.cli.stats:app",
        "Hypothesis tests with effect sizes and checks.",
    ),
    "causal": (
        "streamrec.cli.causal:app",
        "Effects without an experiment, and what to check.",
    ),
    "strategy": (
        "streamrec.cli.strategy:app",
        "Write and check a strategy document.",
    ),
}

PYTHON = (3, 11)

OK, FAILED, BAD_INPUT, BUG, INTERRUPTED = 0, 1, 2, 3, 130


def wrong_python(version: Sequence[Any]) -> str | None:
    """A sentence for the user if this Python is not the one the package supports.

    >>> wrong_python((3, 11, 4)) is None
    True
    >>> print(wrong_python((3, 9, 1)))
    streamrec needs Python 3.11 and this is 3.9: make an environment with python3.11
    """
    if tuple(version[:2]) == PYTHON:
        return None
    need, have = (".".join(map(str, v[:2])) for v in (PYTHON, version))
    return (
        f"streamrec needs Python {need} and this is {have}: "
        f"make an environment with python{need}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: done. 1: a check failed. 2: bad input, one line on stderr. 3: a bug of ours.
    130: interrupted. ``--verbose`` adds the traceback.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in args or "-v" in args
    complaint = wrong_python(sys.version_info)
    if complaint:
        return _complain(complaint, BAD_INPUT)
    import warnings

    with warnings.catch_warnings():
        # Warnings meant for users become one line; a library's notes to developers
        # (deprecations) are not for them.
        warnings.simplefilter("ignore")
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", kind)
        warnings.showwarning = _show_warning
        try:
            return _run(args)
        except KeyboardInterrupt:
            return _complain("interrupted", INTERRUPTED, kind="stopped")
        except Exception as error:
            if verbose:
                traceback.print_exc()
            return _explain(error)


def _run(args: list[str]) -> int:
    """Hand over to the room that the first word names; the rest is its own."""
    import typer

    if args and args[0] in COMMANDS:
        app, name, rest = _load(COMMANDS[args[0]][0]), f"streamrec {args[0]}", args[1:]
    else:
        app, name, rest = _root(), "streamrec", args
    try:
        command = typer.main.get_command(app)
        _show_examples(command)
        code = command.main(args=rest, prog_name=name, standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.Exit as leave:
        return leave.exit_code
    if code == INTERRUPTED:  # how newer versions of typer report Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else OK


def _show_examples(command: Any) -> None:
    """Give each example in the help lines of its own, that work as pasted."""
    for part in getattr(command, "commands", {}).values():
        _show_examples(part)
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(map(_example, paragraphs))


def _example(paragraph: str, width: int = 72) -> str:
    r"""A paragraph as it is, or the commands of an example, broken as a shell reads.

    >>> print(_example("Example: streamrec world\ndescribe").replace("\b", "."))
    .
    Example:
      streamrec world describe
    """
    import re
    import textwrap

    title, found, text = " ".join(paragraph.split()).partition(": streamrec ")
    if not found or not re.fullmatch(r"Examples?|With (a file|files)", title):
        return paragraph
    lines = ["\b", f"{title}:"]
    for words in re.split(r"(?:^| )streamrec (?=\w)", f"streamrec {text}")[1:]:
        # An option stays beside its value.
        words = re.sub(r"( --?[\w-]+) (?!-)", "\\1\0", f"streamrec {words}")
        rows = textwrap.wrap(words, width, break_on_hyphens=False)
        lines.append("  " + " \\\n    ".join(rows).replace("\0", " "))
    return "\n".join(lines)


def _load(target: str) -> Any:
    import importlib

    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _root() -> Any:
    """The top level, which only needs the names and help lines of the rooms."""
    import typer

    app = typer.Typer(
        help="The recommender that grows through the book.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def top(
        version: bool = typer.Option(False, "--version", help="Show the version."),
    ) -> None:
        if version:
            from streamrec import __version__

            typer.echo(f"streamrec {__version__}")
            raise typer.Exit

    for name, (_, text) in COMMANDS.items():
        app.command(name, help=text)(lambda: None)
    return app


def _explain(error: Exception) -> int:
    """One line for the user, whatever went wrong."""
    show = getattr(error, "format_message", None)  # what typer raises for wrong usage
    if show is not None:
        # Without arguments typer raises with the help as its message.
        if type(error).__name__ == "NoArgsIsHelpError":
            print(show())
            return BAD_INPUT
        return _complain(show(), BAD_INPUT)
    if isinstance(error, KeyError):
        return _complain(str(error.args[0] if error.args else error), BAD_INPUT)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror}", BAD_INPUT)
    if isinstance(error, ModuleNotFoundError):
        return _complain(
            f"the package {error.name!r} is not installed: install it, or the extra "
            "of streamrec that has it",
            BAD_INPUT,
        )
    if isinstance(error, (ValueError, OSError, ImportError)):
        return _complain(str(error), BAD_INPUT)
    return _complain(
        f"{type(error).__name__}: {error} (a bug of streamrec; "
        "run again with --verbose for the traceback)",
        BUG,
    )


def _complain(text: str, code: int, kind: str = "error") -> int:
    print(f"{kind}: {' '.join(text.split())}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *args: Any, **kwargs: Any) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
