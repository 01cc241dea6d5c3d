"""Execute notebooks and store their outputs so that a second run changes no byte.

    python tools/run.py                      every chapter and solution
    python tools/run.py --chapter 1          one chapter and its solutions
    python tools/run.py path.ipynb           any notebook
    python tools/run.py --check --chapter 1  write nothing; fail if outputs would change
    python tools/run.py --record             note costs and checks in book/status.json

A cell that fails prints its id, source and error, and leaves the file as it was.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbtools
from nbformat import NotebookNode
from nbtools import BadInput, shown

STATUS = nbtools.ROOT / "book" / "status.json"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Cost:
    """What one run took."""

    seconds: float = 0.0  # wall time, kernel start included
    cpu_seconds: float = 0.0
    memory_mb: float = 0.0  # peak of the kernel and its children
    checks: int = 0
    claims: int = 0
    failed: list[str] = field(default_factory=list)
    slowest: list[tuple[str, float]] = field(default_factory=list)


class CellFailed(Exception):
    """A cell raised: its id, source and error, ready to print."""


class Meter:
    """Peak memory and CPU time of a kernel and its children."""

    def __init__(self) -> None:
        """Nothing measured yet."""
        self.peak = 0.0
        self.cpu: dict[int, float] = {}
        self.pid: int | None = None

    def look(self) -> None:
        """Read the counters now."""
        import psutil

        if self.pid is None:
            return
        try:
            kernel = psutil.Process(self.pid)
            family = [kernel, *kernel.children(recursive=True)]
        except psutil.Error:
            return
        total = 0.0
        for process in family:
            try:
                total += process.memory_info().rss
                spent = process.cpu_times()
                self.cpu[process.pid] = spent.user + spent.system
            except psutil.Error:
                continue
        own = 0.0
        with contextlib.suppress(OSError):  # not Linux, or the kernel has just ended
            status = Path(f"/proc/{self.pid}/status").read_text()
            match = re.search(r"VmHWM:\s+(\d+)", status)
            own = int(match.group(1)) * 1024.0 if match else 0.0
        self.peak = max(self.peak, total, own)


def execute(
    nb: NotebookNode,
    folder: Path,
    *,
    timeout: int = 600,
    environment: dict[str, str] | None = None,
) -> Cost:
    """Run every cell of ``nb`` in place, in a fresh kernel started in ``folder``.

    Raises
    ------
    CellFailed
        If a cell raises, runs longer than ``timeout`` seconds or kills the kernel.
    """
    import threading

    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import (
        CellExecutionError,
        CellTimeoutError,
        DeadKernelError,
    )

    meter, cost, stop = Meter(), Cost(), threading.Event()
    begun: dict[str, float] = {}
    times: dict[str, float] = {}
    current: list[NotebookNode] = []

    def before(cell: NotebookNode, cell_index: int) -> None:
        current[:] = [cell]
        begun[cell.id] = time.perf_counter()
        if meter.pid is None and client.km is not None:
            meter.pid = getattr(client.km.provisioner, "pid", None)

    def after(cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        times[cell.id] = time.perf_counter() - begun[cell.id]
        meter.look()

    def sample() -> None:
        while not stop.wait(0.2):
            meter.look()

    with tempfile.TemporaryDirectory(prefix="streamrec-run-") as scratch:
        record, noise = Path(scratch) / "checks.jsonl", Path(scratch) / "kernel.log"
        kernel_env = {
            **os.environ,
            **nbtools.kernel_environment(),
            "STREAMREC_RECORD": str(record),
            **(environment or {}),
        }
        os.environ["JUPYTER_PATH"] = kernel_env["JUPYTER_PATH"]
        # A local socket rather than a TCP port: works with the network cut.
        manager = AsyncKernelManager(
            kernel_name="python3",
            transport="ipc",
            connection_file=str(Path(scratch) / "kernel.json"),
        )
        client = NotebookClient(
            nb,
            km=manager,
            timeout=timeout,
            startup_timeout=120,
            record_timing=False,
            resources={"metadata": {"path": str(folder)}},
            on_cell_execute=before,
            on_cell_executed=after,
        )
        sampler = threading.Thread(target=sample, daemon=True)
        start = time.perf_counter()
        sampler.start()
        try:
            with open(noise, "wb") as sink:
                # A manager of ours is not shut down unless asked for.
                client.execute(
                    env=kernel_env, stdout=sink, stderr=sink, cleanup_kc=True
                )
        except CellExecutionError as error:
            raise CellFailed(_failure(nb, error)) from None
        except CellTimeoutError:
            raise CellFailed(
                _stopped(current, f"still running after {timeout} s")
            ) from None
        except (DeadKernelError, RuntimeError) as error:
            last = noise.read_text("utf-8", "replace").strip().splitlines()[-1:]
            why = "\n".join([f"the kernel died (memory?): {error}", *last])
            raise CellFailed(_stopped(current, why)) from None
        finally:
            stop.set()
            sampler.join()
            cost.seconds = time.perf_counter() - start
        if record.exists():
            for line in record.read_text("utf-8").splitlines():
                event = json.loads(line)
                if event["kind"] == "check":
                    cost.checks += 1
                else:
                    cost.claims += 1
                if not event["holds"]:
                    cost.failed.append(event["name"])
    cost.cpu_seconds = sum(meter.cpu.values())
    cost.memory_mb = meter.peak / 2**20
    cost.slowest = sorted(times.items(), key=lambda item: -item[1])[:3]
    return cost


def _failure(nb: NotebookNode, error: Exception) -> str:
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                line = _line_in_cell(output.traceback)
                return _stopped([cell], f"{output.ename}: {output.evalue}", line)
    return str(error)


def _line_in_cell(traceback: list[str]) -> int | None:
    text = ANSI.sub("", "\n".join(traceback))
    found = re.findall(r"Cell In\[\d+\],? line (\d+)", text)
    return int(found[0]) if found else None


def _stopped(cells: list[NotebookNode], why: str, line: int | None = None) -> str:
    if not cells:
        return f"the kernel did not start: {why}"
    cell = cells[0]
    source = [
        f"  {'>' if number == line else ' '} {text}"
        for number, text in enumerate(cell.source.splitlines(), 1)
    ]
    if len(source) > 16:
        at = max(0, min((line or 1) - 8, len(source) - 15))
        source = [*source[at : at + 15], "    ..."]
    reason = ANSI.sub("", why).strip().splitlines()
    return "\n".join([f"cell {cell.id}", *source, *(f"  {r}" for r in reason[:6])])


def words(nb: NotebookNode) -> int:
    """Words of prose (formulas and directives counted roughly, code not at all)."""
    prose = "\n".join(c.source for c in nb.cells if c.cell_type == "markdown")
    prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " formula ", prose, flags=re.S)
    return len(re.findall(r"\b[^\W\d_][\w'’-]*", prose))


def run(
    path: Path, *, check: bool, timeout: int
) -> tuple[Cost, list[str], NotebookNode]:
    """Execute one file; write it unless ``check``; return cost and changed cells."""
    stored = nbtools.read(path)
    nb = copy.deepcopy(stored)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    cost = execute(nb, path.parent, timeout=timeout)
    nbtools.normalise(nb)
    changed = [
        new.id
        for new, old in zip(nb.cells, stored.cells, strict=True)
        if json.dumps(new, sort_keys=True) != json.dumps(old, sort_keys=True)
    ]
    if not check:
        nbtools.write(nb, path)
    elif not changed and json.dumps(nb, sort_keys=True) != json.dumps(
        stored, sort_keys=True
    ):
        changed = ["(metadata)"]
    return cost, changed, nb


def record(path: Path, cost: Cost, nb: NotebookNode) -> None:
    """Note a chapter's cost, rounded so that noise does not change the file."""
    known = json.loads(STATUS.read_text("utf-8")) if STATUS.exists() else {}
    step = 1 if cost.seconds < 20 else 5
    known[path.stem] = {
        "seconds": max(1, step * round(cost.seconds / step)),
        "cpu_seconds": max(1, step * round(cost.cpu_seconds / step)),
        "memory_mb": 50 * max(1, round(cost.memory_mb / 50)),
        "checks": cost.checks,
        "claims": cost.claims,
        "words": 100 * round(words(nb) / 100),
        "cells": len(nb.cells),
        "code_cells": sum(c.cell_type == "code" for c in nb.cells),
    }
    ordered = {name: known[name] for name in sorted(known)}
    nbtools.write_text(json.dumps(ordered, indent=1) + "\n", STATUS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="NOTEBOOK")
    parser.add_argument("--chapter", "-c", action="append", default=[], metavar="N")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--record", action="store_true", help="update book/status.json")
    parser.add_argument("--page-only", action="store_true", help="skip the solutions")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a cell")
    parser.add_argument("--json", metavar="FILE", help="write the costs to FILE")
    return parser.parse_args()


def main() -> int:
    """Run what the command line names; 0 done, 1 failed or differs, 2 bad input."""
    options = _arguments()
    try:
        paths = nbtools.chosen(options.paths, options.chapter)
        if options.page_only:
            paths = [p for p in paths if p.name != "solutions.ipynb"]
        for path in paths:
            nbtools.read(path)
    except BadInput as error:
        nbtools.fail(str(error))
    if not paths:
        print("no notebooks yet in chapters/ or solutions/")
    bad, costs = 0, {}
    for n, path in enumerate(paths, 1):
        print(f"[{n}/{len(paths)}] {shown(path)} ...", end=" ", flush=True)
        try:
            cost, changed, nb = run(path, check=options.check, timeout=options.timeout)
        except CellFailed as error:
            bad += 1
            print(f"failed\n{error}\n  {shown(path)} is unchanged", flush=True)
            continue
        costs[shown(path)] = asdict(cost)
        print(
            f"{cost.seconds:.1f} s ({cost.cpu_seconds:.1f} s CPU), "
            f"{cost.memory_mb:.0f} MB, {cost.checks} checks, {cost.claims} claims",
            flush=True,
        )
        if len(paths) <= 2 and cost.seconds > 5:
            slow = ", ".join(f"{cell} {t:.1f} s" for cell, t in cost.slowest)
            print(f"      slowest cells: {slow}")
        if options.check and changed:
            bad += 1
            print(f"  stored outputs differ: {', '.join(changed[:12])}")
            print("  run `make chapter CH=...` and commit the result")
        if options.record and path.parent.name == "chapters":
            record(path, cost, nb)
    if options.json:
        nbtools.write_text(json.dumps(costs, indent=1) + "\n", Path(options.json))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
