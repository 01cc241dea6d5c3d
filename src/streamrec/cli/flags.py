"""Flags that every command shares: the same letters mean the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class OutputFormat(StrEnum):
    """How results are written."""

    table = "table"
    json = "json"


def read_config(file: Path) -> dict[str, Any]:
    """Read a YAML, JSON or TOML file of options, for example ``format: json``.

    Raises
    ------
    ValueError
        If the file is missing, is not valid, or is not a list of names with values.
    """
    if not file.is_file():
        raise ValueError(f"the configuration file {file} does not exist")
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{file.name} is not UTF-8: save it as UTF-8 first") from None
    try:
        found = _parse(text, file.suffix.lower())
    except Exception as error:
        why = " ".join(str(error).split())[:160]
        raise ValueError(f"{file.name} cannot be read: {why}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file.name} must hold lines such as  format: json")
    return {str(k).replace("-", "_"): v for k, v in found.items()}


def _parse(text: str, suffix: str) -> Any:
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)
    import yaml  # JSON is YAML too

    return yaml.safe_load(text) or {}


def _use_config(ctx: typer.Context, file: Path | None) -> Path | None:
    """Options in the file become defaults; those on the command line win."""
    if file is not None and not ctx.resilient_parsing:
        options = read_config(file)
        known = {p.name for p in ctx.command.params} - {"config"}
        unknown = sorted(set(options) - known)
        if unknown:
            raise ValueError(
                f"{file.name}: unknown option {', '.join(unknown)}; this command has "
                f"{', '.join(sorted(map(str, known)))}"
            )
        ctx.default_map = {**(ctx.default_map or {}), **options}
    return file


Input = Annotated[Path, typer.Option("--input", "-i", help="File to read.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write; the terminal if not given."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML, JSON or TOML file with options of this command.",
        callback=_use_config,
        is_eager=True,
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more; show tracebacks.")
]
Format = Annotated[OutputFormat, typer.Option("--format", help="How to write results.")]
TABLE = OutputFormat.table
