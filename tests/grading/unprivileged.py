"""Run a command as a user without rights, also when the tests run as root.

``.ci/run`` makes the user. A folder on the way to Python or to the repository that only
root may enter (such as root's home) is replaced, for that command alone, by one in
which nothing but Python or the repository is seen.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

USER = "streamrec-ci"
ROOT = Path(__file__).resolve().parents[2]


def lacking() -> str | None:
    """Why submissions cannot be graded in a sandbox here, or None."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return f"root needs the user {USER}, which .ci/run makes"
    return None


def need() -> None:
    """Skip with the reason; where everything must run, fail with it."""
    why = lacking()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)


def folder() -> Path:
    """A new folder that the user owns."""
    path = Path(tempfile.mkdtemp(prefix="streamrec-test-"))
    give(path)
    return path


def give(path: Path) -> None:
    """Make the user the owner of a folder and all in it."""
    if os.geteuid() == 0:
        found = pwd.getpwnam(USER)
        for name in [path, *path.rglob("*")]:
            os.chown(name, found.pw_uid, found.pw_gid, follow_symlinks=False)


def _closed(path: Path) -> Path | None:
    """The outermost folder above ``path`` that only its owner may enter."""
    for above in reversed(path.parents):
        if not above.stat().st_mode & stat.S_IXOTH:
            return above
    return None


def command(words: list[str]) -> list[str]:
    """The command that runs ``words`` as the user."""
    if os.geteuid() != 0:
        return words
    out = ["bwrap", "--dev-bind", "/", "/", "--cap-add", "ALL"]
    shown = {Path(p).resolve() for p in (sys.base_prefix, sys.prefix, ROOT)}
    hidden = {c for c in map(_closed, shown) if c is not None}
    for closed in sorted(hidden):
        out += ["--perms", "0755", "--tmpfs", str(closed)]
    for path in sorted(shown):
        if any(path.is_relative_to(c) for c in hidden):
            for above in reversed(path.parents):
                if any(above.is_relative_to(c) and above != c for c in hidden):
                    out += ["--perms", "0755", "--dir", str(above)]
            out += ["--ro-bind", str(path), str(path)]
    found = pwd.getpwnam(USER)
    out += ["setpriv", "--reuid", str(found.pw_uid), "--regid", str(found.pw_gid)]
    return [*out, "--clear-groups", "--", *words]


def python(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python as the user and wait."""
    options = {"capture_output": True, "text": True, "cwd": "/", **options}
    return subprocess.run(start(*arguments), check=False, env=environment(), **options)


def start(*arguments: str) -> list[str]:
    """The command of :func:`python`, to be started by the caller."""
    return command([sys.executable, "-P", *arguments])


def environment() -> dict[str, str]:
    """What the command sees of the environment; a canary among it."""
    names = ("OMP", "OPENBLAS", "MKL")
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "STREAMREC_CANARY": "environment-canary",
        **{f"{name}_NUM_THREADS": "1" for name in names},
    }
