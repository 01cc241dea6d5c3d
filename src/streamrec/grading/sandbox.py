"""Where an answer runs: a process that sees neither the key nor the network.

Sandboxes are tried in order, each by running a tiny job that tries to read a canary
file (and the key, and the other submissions), to write beside it and to reach a socket
of this machine. The first that stops all of it is used:

1. bubblewrap (Linux): own user, process, network and file system name spaces;
2. docker or podman, with the image ``streamrec-grade`` (untried here, see below);
3. sandbox-exec (macOS; untried here);
4. limits only: memory, time and processes, but no wall around files or network.

Two and three could not be run where this was written; what is tested is the command
that they build.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamrec.grading.key import Limits

IMAGE = "streamrec-grade"
BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from streamrec.grading import worker; worker.main(sys.argv[2])"
)
PROBE = """
import json, os, socket, sys
job = json.loads(sys.argv[1])
seen = {"read": [], "wrote": False, "network": False}
for path in job["paths"]:
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").close()
        seen["read"].append(path)
    except OSError:
        pass
try:
    with open(job["write"], "a") as out:
        out.write("x")
    seen["wrote"] = True
except OSError:
    pass
try:
    with socket.create_connection(("127.0.0.1", job["port"]), timeout=2):
        seen["network"] = True
except OSError:
    pass
print(json.dumps(seen))
"""
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MPLBACKEND": "agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
SCRATCH = 128 * 2**20  # bytes an answer may keep in /tmp


@dataclass(frozen=True)
class Sandbox:
    """One way to run an answer; ``command`` is all that the ways differ in."""

    name: str
    version: str
    mounts: bool  # files outside are out of reach
    network: bool  # the network is out of reach (True = closed)

    def command(
        self,
        library: Path,
        limits: Limits,
        *,
        program: Sequence[str] | None = None,
        submission: Path | None = None,
        package: str = "",
    ) -> list[str]:
        """The command that starts a worker (or ``program``) in this sandbox.

        Parameters
        ----------
        library : folder with the share of the package that answers may import.
        limits : what it may use.
        program : arguments for Python instead of the worker's, for probing.
        submission : a folder to show, read-only, at ``/submission``.
        package : the package of a project, imported as the answer.
        """
        settings = asdict(limits) | {"package": package}
        if self.name == "limits only":
            settings["processes"] = 0  # counts all of the user's: cannot be set here
        inside = "/grading/lib" if self.mounts and self._moves else str(library)
        if submission is not None:
            moved = self.mounts and self._moves
            settings["folder"] = "/submission" if moved else str(submission)
        tail = list(program or [BOOT, inside, json.dumps(settings)])
        build = {
            "bubblewrap": _bubblewrap,
            "docker": _container,
            "podman": _container,
            "sandbox-exec": _sandbox_exec,
            "limits only": _limits,
        }[self.name]
        return build(self, library, limits, submission) + tail

    @property
    def _moves(self) -> bool:
        """Whether the library is shown at another place than its own."""
        return self.name != "sandbox-exec"

    def record(self) -> dict[str, Any]:
        """What is noted in run.json."""
        return asdict(self)


# -------------------------------------------------------------- the commands


def _python() -> list[str]:
    return [sys.executable, "-P", "-s", "-B", "-c"]


def _prefixes() -> list[Path]:
    """Folders of this Python and its packages, outermost first."""
    found = [sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix]
    found += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found += site.getsitepackages()
    paths = sorted({Path(os.path.realpath(p)) for p in found} | {Path(sys.prefix)})
    kept: list[Path] = []
    for path in paths:
        inside = any(path.is_relative_to(k) for k in kept)
        if path.is_dir() and not inside and not path.is_relative_to("/usr"):
            kept.append(path)
    return kept


def _bubblewrap(
    box: Sandbox, library: Path, limits: Limits, submission: Path | None
) -> list[str]:
    # its own environment can be read in the sandbox, at /proc/1/environ
    words = ["/usr/bin/env", "-i", shutil.which("bwrap") or "bwrap"]
    words += ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc"]
    words += ["--unshare-uts", "--unshare-cgroup-try", "--uid", "65534"]
    words += ["--gid", "65534", "--hostname", "sandbox", "--die-with-parent"]
    words += ["--new-session", "--cap-drop", "ALL", "--clearenv"]
    if "--disable-userns" in box.version:
        words += ["--disable-userns"]
    for name, value in ENVIRONMENT.items():
        words += ["--setenv", name, value]
    words += ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "alternatives", "fonts", "localtime"):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--dev-bind", "/dev/null", "/dev/zero"]  # it can be mapped as memory
    words += ["--remount-ro", "/dev"]
    words += ["--size", str(SCRATCH // 2), "--tmpfs", "/dev/shm"]
    words += ["--size", str(SCRATCH), "--tmpfs", "/tmp"]
    for path in _prefixes():
        words += ["--ro-bind", str(path), str(path)]
    for folder in {sysconfig.get_path("purelib"), *site.getsitepackages()}:
        if Path(folder, "streamrec").is_dir():  # the installed one is whole
            words += ["--tmpfs", str(Path(folder, "streamrec"))]
            words += ["--remount-ro", str(Path(folder, "streamrec"))]
    words += ["--ro-bind", str(library), "/grading/lib"]
    if submission is not None:
        words += ["--ro-bind", str(submission), "/submission"]
    words += ["--remount-ro", "/", "--chdir", "/tmp", "--"]
    return words + _python()


def _container(
    box: Sandbox, library: Path, limits: Limits, submission: Path | None
) -> list[str]:
    words = [box.name, "run", "--rm", "--interactive", "--network", "none"]
    words += ["--read-only", "--cap-drop", "ALL", "--ipc", "none"]
    words += ["--security-opt", "no-new-privileges", "--user", "65534:65534"]
    words += ["--memory", f"{limits.memory}m", "--memory-swap", f"{limits.memory}m"]
    words += ["--pids-limit", str(limits.processes), "--cpus", "1", "--init"]
    words += ["--tmpfs", f"/tmp:size={SCRATCH},mode=1777", "--workdir", "/tmp"]
    for name, value in ENVIRONMENT.items():
        if name != "PATH":
            words += ["--env", f"{name}={value}"]
    words += ["--volume", f"{library}:/grading/lib:ro"]
    if submission is not None:
        words += ["--volume", f"{submission}:/submission:ro"]
    return [*words, "--pull", "never", IMAGE, "python", "-P", "-s", "-B", "-c"]


def _sandbox_exec(
    box: Sandbox, library: Path, limits: Limits, submission: Path | None
) -> list[str]:
    readable = [*map(str, _prefixes()), str(library), "/usr", "/System", "/Library"]
    readable += ["/dev", "/private/var/db/dyld"]
    if submission is not None:
        readable.append(str(submission))
    paths = " ".join(f"(subpath {json.dumps(p)})" for p in readable)
    profile = (
        "(version 1)(deny default)(allow process-exec process-fork)"
        "(allow sysctl-read)(allow signal (target self))"
        f'(allow file-read-metadata)(allow file-read* (literal "/") {paths})'
        f"{_hidden(library)}"
        '(allow file-write* (literal "/dev/null"))(deny network*)'
    )
    return ["sandbox-exec", "-p", profile, *_clean_environment(), *_python()]


def _hidden(library: Path) -> str:
    """The installed package is whole: deny it, then allow the answer's share again."""
    found = {sysconfig.get_path("purelib"), *site.getsitepackages()}
    whole = sorted(str(Path(p, "streamrec")) for p in found)
    paths = " ".join(f"(subpath {json.dumps(os.path.realpath(p))})" for p in whole)
    own = f"(subpath {json.dumps(str(library))})"
    return f"(deny file-read* {paths})(allow file-read* {own})"


def _limits(
    box: Sandbox, library: Path, limits: Limits, submission: Path | None
) -> list[str]:
    return [*_clean_environment(), *_python()]


def _clean_environment() -> list[str]:
    return ["/usr/bin/env", "-i", *(f"{k}={v}" for k, v in ENVIRONMENT.items())]


# ----------------------------------------------------------------- choosing


def candidates() -> list[Sandbox]:
    """What this machine has, in the order of preference."""
    found = []
    if platform.system() == "Linux" and shutil.which("bwrap"):
        found.append(Sandbox("bubblewrap", _bwrap_version(), True, True))
    for name in ("docker", "podman"):
        if shutil.which(name) and _has_image(name):
            found.append(Sandbox(name, _first_line([name, "--version"]), True, True))
    if platform.system() == "Darwin" and shutil.which("sandbox-exec"):
        found.append(Sandbox("sandbox-exec", platform.mac_ver()[0], True, True))
    found.append(Sandbox("limits only", "", False, False))
    return found


def _bwrap_version() -> str:
    version = _first_line(["bwrap", "--version"])
    flags = _output(["bwrap", "--help"])
    return version + (" --disable-userns" if "--disable-userns" in flags else "")


def _has_image(name: str) -> bool:
    try:
        done = subprocess.run(
            [name, "image", "inspect", IMAGE], capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _output(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def _first_line(words: list[str]) -> str:
    return (_output(words).splitlines() or [""])[0].strip()


def probe(box: Sandbox, secrets: Sequence[Path]) -> list[str]:
    """Run the tiny job in a sandbox; return what is wrong, one sentence each.

    Parameters
    ----------
    box : the sandbox.
    secrets : files and folders that an answer must not be able to read.
    """
    with tempfile.TemporaryDirectory(prefix="streamrec-probe-") as name:
        folder = Path(name).resolve()
        canary, library = folder / "canary", folder / "lib"
        canary.write_text("quiet")
        library.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as server:
            job = {
                "paths": [str(canary), *map(str, secrets)],
                "write": str(canary),
                "port": server.getsockname()[1],
            }
            words = box.command(library, Limits(), program=[PROBE, json.dumps(job)])
            try:
                done = subprocess.run(
                    words, capture_output=True, text=True, timeout=60, cwd="/"
                )
                seen = json.loads(done.stdout)
            except (OSError, subprocess.TimeoutExpired) as error:
                return [f"does not start ({type(error).__name__})"]
            except ValueError:
                why = " ".join(done.stderr.split())[-160:] or "no output"
                return [f"does not start ({why})"]
        wrong = []
        if seen["read"]:
            wrong.append(f"can read {seen['read'][0]}")
        if seen["wrote"] or canary.read_text() != "quiet":
            wrong.append("can write outside")
        if seen["network"]:
            wrong.append("can reach the network")
        return wrong


def choose(
    secrets: Sequence[Path] = (),
    *,
    allow_unsandboxed: bool = False,
    only: str | None = None,
) -> Sandbox:
    """The first sandbox that holds.

    Parameters
    ----------
    secrets : files and folders that must be out of reach (key, submissions, output).
    allow_unsandboxed : accept limits alone when nothing else works.
    only : try this one alone.

    Raises
    ------
    ValueError
        If none holds; the message says what was tried and what to do.
    """
    tried = []
    for box in candidates():
        if only is not None and box.name != only:
            continue
        if box.name == "limits only":
            if allow_unsandboxed:
                return box
            continue
        wrong = probe(box, secrets)
        if not wrong:
            return box
        tried.append(f"{box.name} {', '.join(wrong)}")
    found = "; ".join(tried) or "neither bubblewrap, docker nor podman is ready"
    raise ValueError(
        f"no sandbox holds here: {found}. Install bubblewrap, or pass "
        "--allow-unsandboxed if you trust every submission (hidden criteria can then "
        "be read)"
    )
