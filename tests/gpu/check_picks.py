"""Inductor obeys: what mkexplorer pins, clears, undoes and applies is what a fresh process runs. Needs a GPU.

``python tests/gpu/check_picks.py``, in an interpreter with torch and triton, from a checkout. Prints a table and
ends with 1 if a line of it fails. Everything happens in temporary cache directories.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("picks_program.py")


class Checks:
    """What was checked so far; every line is printed at once."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, what: str, holds: bool, detail: object = "") -> None:
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'}  {what:70} {detail}", flush=True)


def environment(cache: Path) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "widgets"), os.environ.get("PYTHONPATH", "")])
    return {
        **os.environ,
        "PYTHONPATH": path,
        "TORCHINDUCTOR_CACHE_DIR": str(cache),
        "TORCHINDUCTOR_MULTI_KERNEL": "1",
        # A warm graph cache with the static launcher dies in torch 2.9 and later, whatever the picks.
        "TORCHINDUCTOR_USE_STATIC_CUDA_LAUNCHER": "0",
        "XDG_CACHE_HOME": str(cache.parent / "home"),
    }


def run_program(cache: Path) -> set[str]:
    """The sub-kernels that a fresh process runs."""
    done = subprocess.run([sys.executable, str(PROGRAM)], env=environment(cache), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return set(json.loads(done.stdout.strip().splitlines()[-1]))


def mkexplorer(cache: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "mkexplorer", *arguments]
    done = subprocess.run(command, env=environment(cache), capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:])
        raise SystemExit(f"{arguments} ended with {done.returncode}")
    return done.stdout


def listed(cache: Path) -> list[dict[str, Any]]:
    document = json.loads(mkexplorer(cache, "list", "--place", str(cache), "--json"))
    found: list[dict[str, Any]] = document["multi_kernels"]
    return found


def names(multi_kernels: list[dict[str, Any]], indices: dict[str, int]) -> set[str]:
    return {each["sub_kernels"][indices[each["id"]]]["name"] for each in multi_kernels}


def picks(multi_kernels: list[dict[str, Any]]) -> dict[str, int]:
    return {each["id"]: each["pick"]["index"] for each in multi_kernels}


def main() -> int:
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "first" / "cache"
        cache.mkdir(parents=True)
        ran = run_program(cache)
        before = listed(cache)
        first = picks(before)
        checks.check("every pick file is found", all(each["pick"]["state"] == "picked" for each in before), len(before))
        checks.check("the picks are what ran", names(before, first) == ran, sorted(ran))

        other = {identity: 1 - index for identity, index in first.items()}
        for identity, index in other.items():
            mkexplorer(cache, "pin", identity, str(index), "--place", str(cache), "--yes")
        pinned = listed(cache)
        checks.check("all are pinned", all(each["pick"]["state"] == "pinned" for each in pinned))
        ran = run_program(cache)
        checks.check("a fresh process runs the pinned ones", names(pinned, other) == ran, sorted(ran))

        second = Path(folder) / "second" / "cache"
        second.mkdir(parents=True)
        run_program(second)
        exported = mkexplorer(cache, "picks", "export", "--place", str(cache))
        (Path(folder) / "picks.toml").write_text(exported)
        mkexplorer(second, "picks", "apply", str(Path(folder) / "picks.toml"), "--place", str(second), "--yes")
        applied = listed(second)
        # The wrappers name the cache they stand in, so that ids differ there; kernels have the same names.
        same = names(applied, picks(applied)) == names(pinned, other)
        checks.check("picks apply gives another cache the same picks", same, len(applied))
        ran = run_program(second)
        checks.check("and a fresh process there runs them", names(pinned, other) == ran, sorted(ran))

        mkexplorer(cache, "clear", "--all", "--place", str(cache), "--yes")
        checks.check("clear leaves no pick", all(each["pick"]["state"] == "none" for each in listed(cache)))
        ran = run_program(cache)
        measured = listed(cache)
        checks.check("the next process measures anew", all(each["pick"]["state"] == "picked" for each in measured))
        checks.check("and runs what it measured", names(measured, picks(measured)) == ran, sorted(ran))

        mkexplorer(cache, "clear", "--all", "--place", str(cache), "--yes")
        mkexplorer(cache, "undo", "--place", str(cache), "--yes")
        checks.check("undo of clear brings the picks back", picks(listed(cache)) == picks(measured))

        one, index = next(iter(picks(measured).items()))
        mkexplorer(cache, "pin", one, str(1 - index), "--place", str(cache), "--yes")
        mkexplorer(cache, "undo", "--place", str(cache), "--yes")
        checks.check("undo of pin brings the first pick back", picks(listed(cache)) == picks(measured))
        ran = run_program(cache)
        checks.check("and a fresh process runs it", names(measured, picks(measured)) == ran, sorted(ran))
    print("all hold" if not checks.failed else f"{checks.failed} failed")
    return min(1, checks.failed)


if __name__ == "__main__":
    sys.exit(main())
