"""mkexplorer's run time inside ``torch.compile``, torch's own beside it. Needs a GPU.

``python tests/gpu/check_inside.py [PART…]``, in an interpreter with torch and triton, from a checkout. Without names
all parts run; ``--list`` names them. Each runs in processes of its own, with caches of its own. Prints a table and ends
with 1 if a line of it fails.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PARTS = Path(__file__).with_name("inside_parts.py")
INVALID = (b"", b"garbage", b"7")
Row = list[Any]


class Checks:
    """Every line is printed at once, and all of them again at the end."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def check(self, what: str, holds: bool | None, found: object = "") -> None:
        self.rows.append([what, holds, str(found)])
        print(_line(self.rows[-1]), flush=True)

    @property
    def failed(self) -> int:
        return sum(row[1] is False for row in self.rows)


def _line(row: Row) -> str:
    sign = {True: "ok  ", False: "FAIL", None: "    "}[row[1]]
    return f"{sign}  {row[0]:72} {row[2]}"


def environment(cache: Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "widgets"), os.environ.get("PYTHONPATH", "")])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR")}
    home = {"PYTHONPATH": path, "TORCHINDUCTOR_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(cache.parent / "home")}
    return {**inherited, **home, **more}


def run(part: str, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A part, quietly."""
    command = [sys.executable, str(PARTS), part]
    cache.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run(command, cwd=cache.parent, env=environment(cache, **more), capture_output=True, text=True)


def rows_of(done: subprocess.CompletedProcess[str]) -> list[Row]:
    rows: list[Row] = json.loads(done.stdout.strip().splitlines()[-1])
    return rows


def end_of(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of what a program says when it dies."""
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    found = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
    return found[:150]


def how_ended(done: subprocess.CompletedProcess[str]) -> str:
    return "runs" if done.returncode == 0 else f"dies ({done.returncode}): {end_of(done)}"


def stream(checks: Checks, part: str, cache: Path) -> None:
    """A part whose lines are shown as they come."""
    command = [sys.executable, "-u", str(PARTS), part]
    errors = cache.parent / f"{part}.stderr"
    rows: list[Row] | None = None
    with (
        open(errors, "w") as stderr,
        subprocess.Popen(command, env=environment(cache), stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[["):
                rows = json.loads(line)
            else:
                print(line, end="", flush=True)
    if rows is None:
        checks.check(f"{part} runs to its end", False)
        print(errors.read_text()[-3000:], flush=True)
        return
    checks.rows += rows


def streamed(part: str) -> Callable[[Checks, Path], None]:
    return lambda checks, cache: stream(checks, part, cache)


def pick_files(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/*.picked_kernel"))


def warm(checks: Checks, cache: Path) -> None:
    """A new process with default settings and a warm cache."""
    fresh = run("program", cache, INSTALL="1")
    checks.check("a fresh start measures", [row[0] for row in rows_of(fresh)] == ["measured"] * 3)
    checks.check("and keeps its picks", len(pick_files(cache)) == 3, len(pick_files(cache)))
    stock = run("program", cache, TORCHINDUCTOR_MULTI_KERNEL="1")
    checks.check("warm start, stock", None, how_ended(stock))
    ours = run("program", cache, INSTALL="1")
    found = rows_of(ours) if ours.returncode == 0 else end_of(ours)
    checks.check("warm start, ours: every pick is loaded", [row[0] for row in found] == ["loaded"] * 3, found)


def invalid(checks: Checks, cache: Path) -> None:
    """Empty, garbage and out of range, one for each of three multi-kernels."""
    run("program", cache, INSTALL="1")
    files = pick_files(cache)
    no_graphs = {"TORCHINDUCTOR_FX_GRAPH_CACHE": "0"}
    for file, content in zip(files, INVALID, strict=True):
        file.write_bytes(content)
    stock = run("program", cache, TORCHINDUCTOR_MULTI_KERNEL="1", GO_ON="1", **no_graphs)
    for row in rows_of(stock) or [["all run", None, ""]]:
        checks.check(f"empty, garbage and out of range, stock: {row[0]}", None, row[2])
    ours = run("program", cache, INSTALL="1", **no_graphs)
    checks.check("all three, ours: runs", ours.returncode == 0, end_of(ours) if ours.returncode else "")
    checks.check("tells of each", all(str(file) in ours.stderr for file in files))
    repaired = [file.read_bytes() for file in files]
    checks.check("measures anew and repairs", all(content in (b"0", b"1") for content in repaired), repaired)


def exchange(checks: Checks, cache: Path) -> None:
    """Each run time reads the picks of the other."""
    without = {"TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER": "0"}
    run("program", cache, TORCHINDUCTOR_MULTI_KERNEL="1", **without)
    before = {file: file.stat().st_mtime_ns for file in pick_files(cache)}
    ours = run("program", cache, INSTALL="1", **without)
    found = rows_of(ours) if ours.returncode == 0 else end_of(ours)
    checks.check("ours reads stock's picks", [row[0] for row in found] == ["loaded"] * 3, found)
    checks.check("and leaves them alone", before == {file: file.stat().st_mtime_ns for file in pick_files(cache)})
    second = cache.parent / "second"
    run("program", second, INSTALL="1", **without)
    debug = {"TORCH_LOGS": "+torch._inductor.codegen.multi_kernel"}
    stock = run("program", second, TORCHINDUCTOR_MULTI_KERNEL="1", **without, **debug)
    loaded = stock.stderr.count("Load picked kernel")
    checks.check("stock reads ours", stock.returncode == 0 and loaded == 3, f"{loaded} loaded")


def modes(checks: Checks, cache: Path) -> None:
    """Deterministic mode and the metrics table, in which torch's own class fails."""
    for what, expected, variables in (
        ("deterministic mode", "the first, in deterministic mode", {"DETERMINISTIC": "1"}),
        ("metrics table", "measured", {"TORCHINDUCTOR_ENABLED_METRIC_TABLES": "persistent_red_perf"}),
    ):
        place = cache.parent / what.replace(" ", "-")
        with ThreadPoolExecutor() as both:
            stock_run = both.submit(run, "program", place / "stock", TORCHINDUCTOR_MULTI_KERNEL="1", **variables)
            ours = run("program", place / "ours" / "cache", INSTALL="1", **variables)
        stock = stock_run.result()
        checks.check(f"{what}, stock", None, how_ended(stock))
        found = [row[0] for row in rows_of(ours)] if ours.returncode == 0 else end_of(ours)
        checks.check(f"{what}, ours", found == [expected] * 3, found)
    table = cache.parent / "metrics-table" / "ours" / "metric_table_persistent_red_perf.csv"
    checks.check("the table has its rows", table.exists() and len(table.read_text().splitlines()) == 4)


def command_line(checks: Checks, cache: Path) -> None:
    """``mkexplorer run`` with an unchanged program, and what the explorer shows of it."""
    program = [sys.executable, "-m", "mkexplorer", "run", "--report", str(PARTS), "program"]
    done = subprocess.run(program, env=environment(cache), capture_output=True, text=True)
    checks.check("mkexplorer run", done.returncode == 0, end_of(done) if done.returncode else "")
    print(done.stderr[-2500:], flush=True)
    checks.check("--report tells of every choice", "3 choices: 3 measured" in done.stderr)
    listing = [sys.executable, "-m", "mkexplorer", "list", str(cache), "--json"]
    listed = subprocess.run(listing, env=environment(cache), capture_output=True, text=True)
    found = json.loads(listed.stdout)["multi_kernels"]
    states = [each["pick"]["state"] for each in found]
    checks.check("the explorer lists them as picked", states == ["picked"] * 3, states)
    timed = [all(sub.get("cold") for sub in each["sub_kernels"]) for each in found]
    checks.check("with their times", all(timed) and len(timed) == 3, timed)


def ranks(checks: Checks, cache: Path) -> None:
    """Two ranks that would choose otherwise use the same sub-kernel."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in ("0", "1"):
        job = {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, str(PARTS), "rank"]
        place = environment(cache.parent / f"rank{rank}", **job)
        started.append(subprocess.Popen(command, env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    ended = [process.communicate(timeout=180) for process in started]
    picks = []
    for out, error in ended:
        last = out.strip().splitlines()[-1:] or [""]
        picks.append(json.loads(last[0])[0][2] if last[0].startswith("[[") else error[-300:])
    checks.check("ranks with opposite measurements agree", picks[0] == picks[1] and len(picks[0]) == 1, picks)


def ahead_of_time(checks: Checks, cache: Path) -> None:
    """AOTInductor; where it cannot even load what has no multi-kernels, only what was generated is looked at."""
    plain = run("aoti", cache.parent / "plain" / "cache", TORCHINDUCTOR_MULTI_KERNEL="0", LOAD="1")
    loads = "1" if plain.returncode == 0 else "0"
    checks.check("AOTInductor without multi-kernels", None, how_ended(plain))
    with ThreadPoolExecutor() as both:
        place = cache.parent / "stock" / "cache"
        stock_run = both.submit(run, "aoti", place, TORCHINDUCTOR_MULTI_KERNEL="1", LOAD=loads)
        ours = run("aoti", cache, INSTALL="1", LOAD=loads)
    checks.check("AOTInductor, stock", None, how_ended(stock_run.result()))
    checks.check("AOTInductor, ours", ours.returncode == 0, how_ended(ours))
    rows = rows_of(ours) if ours.returncode == 0 else []
    checks.rows += rows
    print(*map(_line, rows), sep="\n", flush=True)
    checks.check("multi-kernels were chosen for AOTInductor", any("chosen" in row[0] for row in rows))


TOGETHER = ("behaviour", "cpp")
CHECKS: dict[str, Callable[[Checks, Path], None]] = {
    "overhead": streamed("overhead"),
    "warm": warm,
    "invalid": invalid,
    "exchange": exchange,
    "capture": streamed("capture"),
    "behaviour": streamed("behaviour"),
    "modes": modes,
    "command_line": command_line,
    "ranks": ranks,
    "cpp": streamed("cpp"),
    "aoti": ahead_of_time,
    "steps": streamed("steps"),
    "picks": streamed("picks"),
}


def carry_out(checks: Checks, name: str) -> None:
    began = time.monotonic()
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            CHECKS[name](checks, Path(folder) / "cache")
        except Exception as error:
            checks.check(f"{name} runs to its end", False, f"{type(error).__name__}: {error}")
    print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)


def main(names: list[str]) -> int:
    if names == ["--list"]:
        print(*CHECKS)
        return 0
    checks = Checks()
    if names:
        for name in names:
            carry_out(checks, name)
    else:
        # Nothing of these two is timed, and they take longest.
        with ThreadPoolExecutor() as both:
            list(both.map(lambda name: carry_out(checks, name), TOGETHER))
        for name in CHECKS:
            if name not in TOGETHER:
                carry_out(checks, name)
    print("\n" + "\n".join(_line(row) for row in checks.rows))
    print("all hold" if not checks.failed else f"{checks.failed} failed")
    return min(1, checks.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
