"""How long it takes to parse a wrapper, and to open a large cache again. ``python tests/benchmarks/bench_catalog.py``

Method. Parsing: for each of the sample's 22 wrappers the median of 15 parses over the median of 15
``ast.parse`` of the same text, taken in turn; the budget is the ratio of the sums. Reopening: a cache of 10,000
wrappers, made from the recorded ones (each with a line of its own, so that each has its own key), and three files
of other generated code per wrapper; opened once to make the index, then by fresh processes, whose own clock and
peak memory are printed. Beside the time stands that of the smallest thing that could do: listing the same files.
"""

from __future__ import annotations

import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mkexplorer.catalog import Catalog, open_catalog
from mkexplorer.catalog.definitions import code_hash
from mkexplorer.catalog.places import sample_path
from mkexplorer.catalog.wrapper_parser import parse_wrapper

WRAPPERS = 10_000
OTHER_FILES = 3
REOPEN = """
import gc, json, resource, sys, time
gc.disable()
begin = time.perf_counter()
from mkexplorer.catalog import open_catalog
catalog = open_catalog(sys.argv[1])
count = len(catalog.multi_kernels)
took = time.perf_counter() - begin
print(json.dumps([count, took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def bench_parsing(catalog: Catalog) -> None:
    print(f"{'wrapper':10} {'lines':>6} {'parse ms':>9} {'ast ms':>8} {'ratio':>6}   budget 0.25")
    ours, theirs = [], []
    for wrapper in catalog.wrappers:
        text = catalog.wrapper_text(wrapper)
        parse, reference = [], []
        for _ in range(15):
            parse.append(seconds(lambda text=text, origin=wrapper.origin: parse_wrapper(text, origin)))  # type: ignore[misc]  # bound now
            reference.append(seconds(lambda text=text: ast.parse(text)))  # type: ignore[misc]  # bound now
        ours.append(statistics.median(parse))
        theirs.append(statistics.median(reference))
        row = f"{wrapper.key[:7]:10} {wrapper.line_count:6} {ours[-1] * 1e3:9.3f} {theirs[-1] * 1e3:8.3f}"
        print(f"{row} {ours[-1] / theirs[-1]:6.2f}")
    print(f"{'together':10} {'':6} {sum(ours) * 1e3:9.3f} {sum(theirs) * 1e3:8.3f} {sum(ours) / sum(theirs):6.2f}")


def make_cache(catalog: Catalog, root: Path) -> None:
    texts = [catalog.wrapper_text(wrapper) for wrapper in catalog.wrappers]
    for number in range(WRAPPERS):
        text = f"{texts[number % len(texts)]}\n# {number}\n"
        write(root, code_hash(text), text)
        for other in range(OTHER_FILES):
            text = f"# generated kernel {number} {other}\n" + "import triton\n" * 100
            write(root, code_hash(text), text)


def write(root: Path, key: str, text: str) -> None:
    folder = root / key[1:3]
    folder.mkdir(exist_ok=True)
    (folder / f"{key}.py").write_text(text)


def bench_reopening(catalog: Catalog) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/home"
        cache = Path(folder) / "cache"
        cache.mkdir()
        make_cache(catalog, cache)
        print(f"\nfirst opening of {WRAPPERS} wrappers: {seconds(lambda: open_catalog(cache)):.2f} s")
        for _ in range(3):
            listing = seconds(lambda: [entry.stat() for shelf in os.scandir(cache) for entry in os.scandir(shelf)])
            done = subprocess.run(
                [sys.executable, "-c", REOPEN, str(cache)], capture_output=True, text=True, check=True
            )
            count, took, memory = json.loads(done.stdout)
            print(
                f"again: {count} multi-kernels in {took:.2f} s (budget 1 s), {took / listing:.1f} x listing the files, "
                f"peak memory {memory:.0f} MB (budget 250)"
            )


if __name__ == "__main__":
    found = open_catalog(sample_path())
    bench_parsing(found)
    bench_reopening(found)
