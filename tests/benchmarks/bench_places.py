"""How long it takes to find the pick files of 1,000 multi-kernels. ``python tests/benchmarks/bench_places.py [PYTHON]``

Method. A cache of 1,000 multi-kernels is made from wrappers that torch 2.13 generated, each copy with kernels of its
own (another constant in their bodies, so another key). Their places are found with PYTHON (default: the running one;
it must hold torch 2.12 or later), first by a worker, then from memory, then by a worker while a thread of the same
process wakes up every 4 ms, as an app's event loop might; it prints by how much it was late. The start of the worker,
mostly torch's own import, is timed apart. Budget: 10 ms for each place after the start, the app's ticks within 16 ms.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.picks.interpreter import Interpreter
from mkexplorer.picks.places import Progress, find_places

MULTI_KERNELS = 1_000
WRAPPERS = Path(__file__).parents[1] / "data" / "wrappers" / "torch-2.13.0"
TICK_S = 0.004
BUDGET_MS = 10


def make_cache(cache: Path) -> None:
    originals = [path.read_text() for path in sorted(WRAPPERS.glob("*.py"))]
    for number in range(MULTI_KERNELS):
        text = originals[number % len(originals)].replace("\n    xnumel = ", f"\n    xnumel = {number + 1}")
        key = code_hash(text)
        (cache / key[1:3]).mkdir(exist_ok=True)
        (cache / key[1:3] / f"{key}.py").write_text(text)


def find(catalog: Catalog, python: str | None) -> list[float]:
    """Milliseconds until the worker had started, and then for each place."""
    moments = [time.perf_counter()]

    def note(_: Progress) -> None:
        moments.append(time.perf_counter())

    with Interpreter(python) as interpreter:
        interpreter.hello()
        places = list(find_places(catalog, interpreter, on_progress=note))
    # The first call says that the worker is about to start.
    assert len(moments) == MULTI_KERNELS + 2
    assert len({place.path for place in places}) == MULTI_KERNELS, places[0]
    return [(later - earlier) * 1e3 for earlier, later in zip(moments, moments[1:], strict=False)]


class Ticks(threading.Thread):
    """Wakes up again and again, and notes by how many milliseconds it was late."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late: list[float] = []
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            begin = time.perf_counter()
            time.sleep(TICK_S)
            self.late.append((time.perf_counter() - begin - TICK_S) * 1e3)


def spread(times: Sequence[float]) -> str:
    ordered = sorted(times)
    median, high = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"median {median:6.2f}   99th percentile {high:6.2f}   most {ordered[-1]:7.2f} ms"


def report(what: str, times: Sequence[float]) -> None:
    mean = sum(times[1:]) / len(times[1:])
    print(f"{what:16} start {times[0] / 1e3:5.2f} s   then {mean:6.2f} ms each ({mean / BUDGET_MS:4.2f} of the budget)")
    print(f"{'':16} {spread(times[1:])}")


def main(python: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "first")
        cache = Path(folder, "cache")
        cache.mkdir()
        make_cache(cache)
        catalog = open_catalog(cache)
        report("by a worker", find(catalog, python))
        report("from memory", find(catalog, python))
        os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "second")
        ticks = Ticks()
        ticks.start()
        report("beside an app", find(catalog, python))
        ticks.is_over = True
        print(f"{'its ticks, late':16} {spread(ticks.late)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
