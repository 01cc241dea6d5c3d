"""Settings for every test run, from whatever folder it is started."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))


def pytest_configure(config: pytest.Config) -> None:
    """One thread a process; notebooks under nbval get the kernel that pages get."""
    import nbtools

    environment = nbtools.kernel_environment()
    nbval = config.getoption("nbval", False) or config.getoption("nbval_lax", False)
    if not nbval:  # pages draw inside the page, tests draw nothing
        environment |= {"MPLBACKEND": "agg"}
        environment.pop("COLUMNS")
    os.environ.update(environment)
