"""Run the benchmarks: ``python benchmarks/run.py [--only NAME] [--list]``.

Each other file in this folder is one benchmark, a script that writes
``results/NAME.json``. They run one after the other in ``.venv-bench``: a virtual
environment that sees every package of the interpreter that runs this file and adds
``requirements-bench.txt`` (peers which the book itself does not need). It is made at
the first run. Every benchmark runs on one thread and with the linear-algebra kernel
that fits the processor, both sides alike.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENT = ROOT / ".venv-bench"
REQUIREMENTS = ROOT / "requirements-bench.txt"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# A kernel forced from outside would measure the wrong code on this processor.
FORCED_KERNEL = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def names() -> list[str]:
    """Benchmarks in this folder, alphabetically."""
    return sorted(p.stem for p in HERE.glob("[a-z]*.py") if p.stem != "run")


def ready() -> Path:
    """The interpreter of .venv-bench, made or brought up to date if need be."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed.txt"
    wanted = f"{sys.prefix}\n{REQUIREMENTS.read_text()}"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print("making .venv-bench (once)", flush=True)
    venv.create(ENVIRONMENT, clear=True, with_pip=True)
    here = {"base": str(ENVIRONMENT), "platbase": str(ENVIRONMENT)}
    own = Path(sysconfig.get_path("purelib", vars=here))
    outer = sysconfig.get_path("purelib")
    (own / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    command = [*pip, "--no-deps", "-r", REQUIREMENTS]
    got = subprocess.run(command, capture_output=True, text=True, check=False)
    if got.returncode:
        last = (got.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(f"cannot install {REQUIREMENTS.name} ({last}): is a package "
                         "index reachable? Only make bench needs it.")  # fmt: skip
    stamp.write_text(wanted)
    return python


def run(name: str, python: Path, extra: list[str]) -> int:
    """One benchmark in its own process; its exit code."""
    environment = {k: v for k, v in os.environ.items() if k not in FORCED_KERNEL}
    environment |= dict.fromkeys(ONE_THREAD, "1")
    environment["PYTHONPATH"] = str(ROOT / "src")
    print(f"== {name}", flush=True)
    command = [python, HERE / f"{name}.py", *extra]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure and write results/*.json.")
    parser.add_argument("--only", metavar="NAME", help="run one benchmark")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    arguments, extra = parser.parse_known_args()
    if arguments.list:
        print("\n".join(names()))
        return 0
    if arguments.only and arguments.only not in names():
        print(f"no benchmark {arguments.only!r}; there are: {', '.join(names())}",
              file=sys.stderr)  # fmt: skip
        return 2
    chosen = [arguments.only] if arguments.only else names()
    python = ready()
    failed = [name for name in chosen if run(name, python, extra)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
