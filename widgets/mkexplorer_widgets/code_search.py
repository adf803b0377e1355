"""Searching a text while a person types: plain text, or a regular expression between slashes.

Both ignore case unless the query holds a capital letter. Neither holds up the screen: plain text is searched in idle
slices of the event loop, an expression in a process of its own with a time limit. Cancelling the task that awaits
`find_all` stops either at once.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from mkexplorer_widgets import regex_worker
from mkexplorer_widgets.idle import in_idle_slices
from mkexplorer_widgets.regex_worker import Match, matches_in

# Nobody steps through more matches than this, and it keeps memory bounded.
MAX_MATCHES = 10_000
TIME_LIMIT_S = 3.0
_BATCH = 256


class SearchError(Exception):
    """The query cannot be searched for; the text says why, in a few words."""


@dataclass(frozen=True, slots=True)
class Query:
    pattern: str
    is_regex: bool

    @classmethod
    def of_text(cls, text: str) -> Query:
        """``/a.c/`` is a regular expression; all else, and the unfinished ``/a.c``, is plain text."""
        if len(text) > 2 and text.startswith("/") and text.endswith("/"):
            return cls(text[1:-1], True)
        return cls(text, False)

    @property
    def ignores_case(self) -> bool:
        letters = re.sub(r"\\.", "", self.pattern) if self.is_regex else self.pattern  # \S and \W are no capitals
        return letters == letters.lower()


class Matches:
    """The matches of one search, in order, and which of them is current (None before any was gone to)."""

    def __init__(self, found: Sequence[Match] = ()) -> None:
        self.found = found
        self.current: int | None = None

    @property
    def current_match(self) -> Match | None:
        return None if self.current is None else self.found[self.current]

    def between(self, line: int, start: int, end: int) -> Sequence[Match]:
        """The matches of a line that overlap its columns from ``start`` up to ``end``."""
        first = bisect_left(self.found, (line, start))
        if first > 0 and self.found[first - 1][0] == line and self.found[first - 1][2] > start:
            first -= 1
        return self.found[first : bisect_left(self.found, (line, end))]

    def go_to_first(self, line: int) -> None:
        """Make the first match at or below a line the current one, or the first of all where there is none."""
        if self.found:
            self.current = bisect_left(self.found, (line,)) % len(self.found)

    def step(self, by: int, cursor_line: int) -> None:
        """Go ``by`` matches on (or back), round the end, from the current one or where the cursor has left it."""
        if not self.found:
            return
        if self.current is not None and self.found[self.current][0] == cursor_line:
            self.current = (self.current + by) % len(self.found)
        elif by > 0:
            self.current = bisect_left(self.found, (cursor_line,)) % len(self.found)
        else:
            self.current = (bisect_left(self.found, (cursor_line + 1,)) - 1) % len(self.found)


async def find_all(lines: Sequence[str], query: Query) -> list[Match]:
    """All matches ``(line, start, end)`` in order, at most `MAX_MATCHES`. Raises SearchError."""
    if not query.pattern:
        return []
    return await (_find_regex(lines, query) if query.is_regex else _find_plain(lines, query))


async def _find_plain(lines: Sequence[str], query: Query) -> list[Match]:
    pattern = re.compile(re.escape(query.pattern), re.IGNORECASE if query.ignores_case else 0)
    batches = (list(matches_in(lines[n : n + _BATCH], pattern, n)) for n in range(0, len(lines), _BATCH))
    found: list[Match] = []
    async for batch in in_idle_slices(batches):
        found += batch
        if len(found) >= MAX_MATCHES:
            return found[:MAX_MATCHES]
    return found


async def _find_regex(lines: Sequence[str], query: Query) -> list[Match]:
    request = {"pattern": query.pattern, "ignore_case": query.ignores_case, "limit": MAX_MATCHES}
    text = "\n".join([json.dumps(request), *lines]).encode("utf-8", "surrogatepass")
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", regex_worker.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise SearchError(f"no process to search with: {error}") from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(text), TIME_LIMIT_S)
    except TimeoutError:
        raise SearchError("takes too long: make it simpler") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SearchError(f"stopped with exit status {process.returncode}: make it simpler")
    answer = json.loads(output)
    if "error" in answer:
        raise SearchError(f"not an expression: {answer['error']}")
    return [(line, start, end) for line, start, end in answer["matches"]]
