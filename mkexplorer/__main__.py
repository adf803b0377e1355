"""``python -m mkexplorer``."""

import sys

from mkexplorer.cli import main

sys.exit(main())
