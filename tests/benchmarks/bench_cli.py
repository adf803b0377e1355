"""Commands on the sample as whole processes, against an interpreter that does nothing.

    python tests/benchmarks/bench_cli.py [--runs 15]

Method. Each round runs every command once, in turn, so that a slow minute of the machine hits all; the first round
fills the file cache and does not count. Output goes to a pipe that is read to its end. Printed: least and median
milliseconds, and how many times the bare interpreter's median. Budget: `list` on the sample below 400 ms.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

MKEXPLORER = (sys.executable, "-m", "mkexplorer")
COMMANDS: dict[str, Sequence[str]] = {
    "interpreter alone": (sys.executable, "-c", "pass"),
    "--version": (*MKEXPLORER, "--version"),
    "list": (*MKEXPLORER, "list", "--sample"),
    "list --json": (*MKEXPLORER, "list", "--sample", "--json"),
    "show": (*MKEXPLORER, "show", "cmzexxx", "--sample"),
    "show --ir ptx": (*MKEXPLORER, "show", "cmzexxx", "--ir", "ptx", "--sample"),
    "diff --normalize": (*MKEXPLORER, "diff", "cmzexxx", "--normalize", "--sample"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(runs + 1)][1:]
    base = statistics.median(each["interpreter alone"] for each in rounds)
    print(f"{'command':<20}{'least ms':>10}{'median ms':>11}{'× interpreter':>15}")
    for name in COMMANDS:
        times = [each[name] for each in rounds]
        median = statistics.median(times)
        print(f"{name:<20}{min(times) * 1e3:>10.0f}{median * 1e3:>11.0f}{median / base:>15.1f}")


def seconds(command: Sequence[str]) -> float:
    """How long the command takes from spawn to exit."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True)
    took = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr.decode()}")
    return took


if __name__ == "__main__":
    main()
