"""What the first frame may load: exact, where a timing would only be likely (`bench_startup` times it)."""

from __future__ import annotations

import subprocess
import sys

# What importing Textual and one Static loads anyway does not count.
SCRIPT = """
import sys
from textual.app import App
from textual.screen import Screen
from textual.widgets import Static
before = set(sys.modules)
import mkexplorer.cli, mkexplorer.tui.app, mkexplorer.tui.explorer_app, mkexplorer.tui.pythons, mkexplorer.tui.state
mkexplorer.cli.parse(["--sample"])
new = set(sys.modules) - before
print(*sorted(name for name in new if name.startswith(("mkexplorer", "textual.widgets", "pygments"))))
"""


def test_the_first_frame_loads_no_tab_no_list_and_no_parser() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {
        "mkexplorer",
        "mkexplorer.catalog",
        "mkexplorer.catalog.errors",
        "mkexplorer.cli",
        "mkexplorer.cli.options",
        "mkexplorer.cli.parser",
        "mkexplorer.cli.terminal",
        "mkexplorer.report",
        "mkexplorer.report.stages",
        "mkexplorer.tui",
        "mkexplorer.tui.app",
        "mkexplorer.tui.explorer_app",
        "mkexplorer.tui.first_screen",
        "mkexplorer.tui.header",
        "mkexplorer.tui.messages",
        "mkexplorer.tui.pythons",
        "mkexplorer.tui.state",
        "mkexplorer.version",
        "mkexplorer_widgets",
        "mkexplorer_widgets.plain_text",
    }
