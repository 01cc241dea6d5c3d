"""A browser without a network and the built site."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
CHROMIUM = next(
    (
        p
        for n in ("chromium", "chromium-browser", "google-chrome")
        if (p := shutil.which(n))
    ),
    None,
)
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
             "--host-resolver-rules=MAP * ~NOTFOUND"]  # fmt: skip


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site, brought up to date.

    STREAMREC_SITE names a folder that is already built, to be tested as it is.
    """
    if built := os.environ.get("STREAMREC_SITE"):
        return Path(built)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "site.py"), "build"],
        cwd=Path.home(),  # the command works from any directory
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return HTML


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Chromium; skipped where there is none, except in continuous integration."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("the site tests need Chromium (.ci/run installs it)")
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()
