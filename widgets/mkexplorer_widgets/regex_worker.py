"""Finds a pattern in lines. Run as a program it does so in a process of its own, which can be stopped: a regular
expression can take for ever on a short line, and Python lets go of nothing while one runs.

Input: a line of JSON ``{"pattern", "ignore_case", "limit"}``, then the lines. Output: JSON, ``{"matches": [[line,
start, end], …]}`` or ``{"error": "…"}``. Imports only the standard library's lightest.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator

Match = tuple[int, int, int]


def matches_in(lines: Iterable[str], pattern: re.Pattern[str], first_line: int = 0) -> Iterator[Match]:
    """``(line, start, end)`` of every match that is not empty, in order."""
    for number, line in enumerate(lines, first_line):
        for match in pattern.finditer(line):
            start, end = match.span()
            if start < end:
                yield number, start, end


def _main() -> None:
    request, *lines = sys.stdin.buffer.read().decode("utf-8", "surrogatepass").split("\n")
    order = json.loads(request)
    answer: dict[str, object]
    try:
        pattern = re.compile(order["pattern"], re.IGNORECASE if order["ignore_case"] else 0)
    except (re.error, OverflowError, RecursionError) as error:
        answer = {"error": getattr(error, "msg", str(error))}
    else:
        found = matches_in(lines, pattern)
        answer = {"matches": [match for _, match in zip(range(order["limit"]), found, strict=False)]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _main()
