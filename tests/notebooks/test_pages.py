"""Every page and exercise source at the quick scale and a seed it was not written with.

Through papermill's API, in memory, so that nothing in ``chapters/`` changes. The other
pass over the notebooks, at the book's scale against stored outputs, is
``pytest --nbval-lax chapters solutions``.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import lint
import nbtools
import pytest
import seeds

PAGES = nbtools.all_notebooks(solutions=False)
NOTEBOOKS = nbtools.all_notebooks()
SEED = 20_260_117  # no page is written with this one
CPU_SECONDS = 30.0  # 20 on a quiet core; half more, as two share a processor here
COMPILING = 30.0  # once, where a page compiles models
MEMORY_MB = 2048.0
COMPILERS = ("pymc", "numba", "nutpie", "numpyro", "torch.compile")


def name(path: Path) -> str:
    return path.stem if path.parent.name == "chapters" else f"{path.parent.name}-set"


@pytest.mark.skipif(not NOTEBOOKS, reason="no notebooks yet")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_quick_at_another_seed(path):
    nb = nbtools.read(path)
    if lint.parameters_cell(lint.Page(path, nb)) is None:
        pytest.skip("no parameters cell")  # allowed in exercise sources only, see below
    outcome = seeds.at_seed(path, SEED, go_on=False)
    assert not outcome.error, f"{name(path)} at seed {SEED}:\n{outcome.error}"
    source = "\n".join(c.source for c in nb.cells if c.cell_type == "code")
    limit = CPU_SECONDS + COMPILING * any(c in source for c in COMPILERS)
    cost = outcome.cost
    assert cost.cpu_seconds <= limit, f"{cost.cpu_seconds:.1f} s of CPU at quick scale"
    assert cost.memory_mb <= MEMORY_MB, f"{cost.memory_mb:.0f} MB"


@pytest.mark.skipif(not NOTEBOOKS, reason="no notebooks yet")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_every_injected_parameter_is_read(path):
    page = lint.Page(path, nbtools.read(path))
    names = lint.parameter_names(page)
    if page.is_chapter:
        assert {"SEED", "SCALE"} <= set(names)
    assert not lint.unread_parameters(page)


@pytest.mark.skipif(not PAGES, reason="no chapters yet")
def test_every_page_is_a_chapter_of_the_syllabus():
    from streamrec import syllabus

    known = {c.name for c in syllabus.load().chapters}
    assert {p.stem for p in PAGES} <= known


def _without_network():
    """A prefix that runs a command with the network cut, or None with the reason."""
    for prefix in (
        ["unshare", "--net", "--map-root-user"],
        ["bwrap", "--dev-bind", "/", "/", "--unshare-net"],
    ):
        try:
            done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return prefix
    return None


CUT = _without_network()
needs_cut = pytest.mark.skipif(
    CUT is None, reason="neither unshare --net nor bwrap is permitted here"
)
PROBE = """
import socket, sys
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
except TimeoutError:
    sys.exit("the network is not cut")
except OSError:
    pass
"""


@needs_cut
def test_the_network_is_really_cut():
    subprocess.run([*CUT, sys.executable, "-c", PROBE], check=True)


@needs_cut
@pytest.mark.skipif(not PAGES, reason="no chapters yet")
def test_a_page_runs_without_a_network(tmp_path):
    """The shortest page, at quick scale (the first pass runs them all)."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import seeds, pathlib\n"
        "o = seeds.at_seed(pathlib.Path(sys.argv[2]), 1, go_on=True)\n"
        "sys.exit(o.error or 0)"
    )
    page = min(PAGES, key=lambda p: p.stat().st_size)
    tools = str(nbtools.ROOT / "tools")
    command = [*CUT, sys.executable, "-c", script, tools, str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_cut
@pytest.mark.skipif(
    not (nbtools.ROOT / "tools" / "site.py").exists(), reason="no site yet"
)
def test_the_site_builds_without_a_network():
    tool = str(nbtools.ROOT / "tools" / "site.py")
    done = subprocess.run(
        [*CUT, sys.executable, tool, "build"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tempfile.gettempdir(),
        env=os.environ | {"MPLBACKEND": "agg"},
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_a_limit_of_memory_is_possible_here():
    """The measure of memory that the pages are held to sees what a kernel uses."""
    from run import Meter

    meter = Meter()
    meter.pid = os.getpid()
    meter.look()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert meter.peak / 2**20 >= 0.9 * own
