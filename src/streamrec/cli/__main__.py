"""``python -m streamrec.cli``: the same as the command ``streamrec``."""

import sys

from streamrec.cli.main import main

sys.exit(main())
