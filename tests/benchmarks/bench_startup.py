"""From spawn to first frame: the app against an empty Textual app with one Static, in turn, in a real pseudo-terminal.

    python tests/benchmarks/bench_startup.py [PLACE] [--runs 15]

Method. Each run starts a process on its own pseudo-terminal (120x40), and reads until the bytes of the first frame are
there: the one-Static app's text, or the explorer's title together with its list's first line ('reading…'). The clock
starts before the spawn. The two take turns (A B A B …) so that a slow minute of the machine hits both; the first pair
fills the file cache and does not count. Printed: medians and least, and the ratio of each. Budget: 1.25. Printed too,
without a budget: when the list is there, read and drawn.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

TIME_LIMIT_S = 60.0
HELLO = """
from textual.app import App
from textual.widgets import Static

class Hello(App):
    def compose(self):
        yield Static("hello, terminal")

Hello().run()
"""


def seconds_to(command: Sequence[str], *frames: Sequence[bytes]) -> list[float]:
    """Return, for each frame in turn, the seconds from spawn until all its marks have been written to the terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    for name in ("COLUMNS", "LINES"):  # they would win over the terminal's own size
        environment.pop(name, None)
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True, close_fds=True
    )
    os.close(slave)
    seen, taken = b"", []
    try:
        for marks in frames:
            while not all(mark in seen for mark in marks):
                left = began + TIME_LIMIT_S - time.perf_counter()
                ready, _, _ = select.select([master], [], [], max(0.0, left))
                if not ready:
                    raise TimeoutError(f"no frame after {TIME_LIMIT_S} s: {seen[-2000:]!r}")
                seen += os.read(master, 1 << 16)
            taken.append(time.perf_counter() - began)
        return taken
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(master)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", nargs="?", default="--sample")
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    hello = [sys.executable, "-c", HELLO]
    explorer = [sys.executable, "-m", "mkexplorer", given.place]
    first, filled = [b"mkexplorer", "reading…".encode()], [b"multi-kernel"]
    runs = [
        (*seconds_to(hello, [b"hello, terminal"]), *seconds_to(explorer, first, filled)) for _ in range(given.runs + 1)
    ]
    hellos, explorers, lists = zip(*runs[1:], strict=True)
    for name, taken in (("one Static", hellos), ("mkexplorer", explorers), ("its list", lists)):
        print(f"{name:12} median {statistics.median(taken) * 1000:5.0f} ms   least {min(taken) * 1000:5.0f} ms")
    print(f"first frames median {statistics.median(explorers) / statistics.median(hellos):5.2f}", end="")
    print(f"      least {min(explorers) / min(hellos):5.2f}      budget 1.25")


if __name__ == "__main__":
    main()
