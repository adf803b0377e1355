"""The table of all choices, on request: a CSV file that programs append to, one row for each sub-kernel."""

from __future__ import annotations

import csv
import fcntl
import io
import logging
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .choosing import Choice

log = logging.getLogger("mkexplorer.multikernel")

COLUMNS = (
    "when",
    "multi_kernel",
    "sub_kernel",
    "index",
    "picked",
    "median_us",
    "q1_us",
    "q3_us",
    "n",
    "verdict",
    "ratio",
    "size_hints",
    "reduction_hint",
    "problem",
)


def add_rows(
    file: Path, multi_kernel: str, names: Sequence[str], choice: Choice, size_hints: str, reduction_hint: str
) -> None:
    """A file that cannot be written costs a warning and no program its run."""
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rows = [
        [when, multi_kernel, *row, size_hints, reduction_hint, _problem(choice, index)]
        for index, row in enumerate(_rows(names, choice))
    ]
    try:
        _append(file, rows)
    except OSError as error:
        log.warning("%s: no metrics written: %s", file, error.strerror)


def _rows(names: Sequence[str], choice: Choice) -> Iterator[list[object]]:
    for index, name in enumerate(names):
        timing = choice.times[index] if choice.times else None
        times = [timing.median_us, timing.q1_us, timing.q3_us, timing.n] if timing else [""] * 4
        verdict = [choice.ruling.verdict, choice.ruling.ratio] if choice.ruling else ["", ""]
        yield [name, index, int(index == choice.index), *times, *verdict]


def _problem(choice: Choice, index: int) -> str:
    error = choice.problems.get(index)
    return "" if error is None else f"{type(error).__name__}: {error}"


def _append(file: Path, rows: Sequence[Sequence[object]]) -> None:
    """All rows at once, and the head before the first ones, however many processes do it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if os.fstat(descriptor).st_size == 0:
            writer.writerow(COLUMNS)
        writer.writerows(rows)
        os.write(descriptor, text.getvalue().encode())
    finally:
        os.close(descriptor)
