import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def book():
    """The list of chapters."""
    from streamrec.syllabus import load

    return load()
