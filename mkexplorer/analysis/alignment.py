"""Which line of one text belongs to which line of another: the engine under ``diff``.

Lines that occur once on either side tie the texts together first (a patience diff), then runs of lines, then
lines that are the same but for their numbers. What stays between two ties is small and is aligned as a whole,
so that ``tmp0 = tl.load(a)`` meets ``tmp0 = tl.load(b)`` and not whatever stands at the same height. A line
that says next to nothing (blank, ``}``, ``ret;``) never ties anything; it only goes along with its neighbours.

Work is bounded: by the depth of gaps within gaps, and by the number of line pairs compared.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

# A gap of up to this many line pairs is aligned as a whole; all gaps together compare at most PAIR_BUDGET pairs.
GAP_PAIRS = 10_000
PAIR_BUDGET = 300_000
# Gaps in gaps are looked into this deep.
MAX_DEPTH = 4
# Lines that share fewer of their words than this are not "the same line, changed".
SIMILAR = 0.5
# What a changed line can score at most against an equal one (for its words but for their numbers, and for the
# words as they are), and how many words make a line as important as can be.
SAME_WORDS, SAME_NUMBERS = 0.8, 0.1
FULL_WEIGHT = 8
# So many lines in a row make a run.
RUN = 4

_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w+")
_SAYS_SOMETHING = re.compile(r"\w(?:\W*\w){4}")

Gap = tuple[int, int, int, int]
# The keys by which a pass ties some items of one side, one per item (a few less at the end); None never ties.
Pass = Callable[[Sequence[str]], Sequence[Hashable]]
Words = tuple[frozenset[str], frozenset[str]]


class DiffCancelled(Exception):
    """The caller no longer wants the result."""


def never() -> bool:
    return False


def partners(
    left: Sequence[str], right: Sequence[str], passes: Sequence[Pass], cancelled: Callable[[], bool]
) -> tuple[list[int], list[Gap]]:
    """Tie equal items at the ends of each gap, then by the keys of the first of ``passes`` that ties any; and again.

    Returns for each left item the right one it belongs to (-1: none), and the gaps that are left over.
    """
    partner = [-1] * len(left)
    rest: list[Gap] = []
    work: list[tuple[Gap, int]] = [((0, len(left), 0, len(right)), 0)]
    while work:
        if cancelled():
            raise DiffCancelled
        gap, depth = work.pop()
        gap = _tie_ends(left, right, partner, gap)
        l0, l1, r0, r1 = gap
        if l0 == l1 or r0 == r1:
            continue
        ties = [] if depth == MAX_DEPTH or _pairs_in(gap) <= GAP_PAIRS else _ties(left, right, gap, passes)
        if not ties:
            rest.append(gap)
            continue
        for i, j in ties:
            partner[i] = j
        for (i, j), (next_i, next_j) in pairwise([(l0 - 1, r0 - 1), *ties, (l1, r1)]):
            if next_i - i > 1 and next_j - j > 1:
                work.append(((i + 1, next_i, j + 1, next_j), depth + 1))
    return partner, rest


def _ties(left: Sequence[str], right: Sequence[str], gap: Gap, passes: Sequence[Pass]) -> list[tuple[int, int]]:
    """What the first pass that ties anything in a gap ties."""
    l0, l1, r0, r1 = gap
    for keys in passes:
        anchors = _anchors(keys(left[l0:l1]), keys(right[r0:r1]))
        if anchors:
            return [(l0 + i, r0 + j) for i, j in anchors]
    return []


def _tie_ends(left: Sequence[str], right: Sequence[str], partner: list[int], gap: Gap) -> Gap:
    l0, l1, r0, r1 = gap
    while l0 < l1 and r0 < r1 and left[l0] == right[r0]:
        partner[l0] = r0
        l0, r0 = l0 + 1, r0 + 1
    while l0 < l1 and r0 < r1 and left[l1 - 1] == right[r1 - 1]:
        l1, r1 = l1 - 1, r1 - 1
        partner[l1] = r1
    return l0, l1, r0, r1


def _anchors(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Keys that occur once on either side, as the longest chain that runs forward on both."""
    in_right = _single_places(right)
    common = [(i, in_right[key]) for key, i in _single_places(left).items() if key in in_right]
    tops: list[int] = []  # right place of the lowest end of a chain of each length
    tops_at: list[int] = []  # and which of `common` it is
    before = [-1] * len(common)
    for at, (_, j) in enumerate(common):
        length = bisect_left(tops, j)
        before[at] = tops_at[length - 1] if length else -1
        if length == len(tops):
            tops.append(j)
            tops_at.append(at)
        else:
            tops[length] = j
            tops_at[length] = at
    chain = []
    at = tops_at[-1] if tops_at else -1
    while at >= 0:
        chain.append(common[at])
        at = before[at]
    return chain[::-1]


def _single_places(keys: Sequence[Hashable]) -> dict[Hashable, int]:
    places: dict[Hashable, int] = {}
    repeated = set()
    for index, key in enumerate(keys):
        if key in places:
            repeated.add(key)
        elif key is not None:
            places[key] = index
    for key in repeated:
        del places[key]
    return places


class _BareLines(dict[str, str | None]):
    """A line without its indentation: the same statement, in a loop or not. None if it says next to nothing."""

    def __missing__(self, line: str) -> str | None:
        self[line] = bare = line.strip() if _SAYS_SOMETHING.search(line) else None
        return bare


class _Shapes(dict[str, str | None]):
    """A line without its numbers: the same instruction on other registers. None if it says next to nothing."""

    def __missing__(self, line: str) -> str | None:
        self[line] = shape = _NUMBER.sub("0", line.strip()) if _SAYS_SOMETHING.search(line) else None
        return shape


class _LineWords(dict[str, Words]):
    """The words of a line without their numbers, and as they are; none if the line says next to nothing."""

    def __missing__(self, line: str) -> Words:
        found = _WORD.findall(line) if _SAYS_SOMETHING.search(line) else []
        self[line] = words = frozenset(_NUMBER.sub("0", word) for word in found), frozenset(found)
        return words


def _by_line(keys: dict[str, str | None]) -> Pass:
    return lambda lines: [keys[line] for line in lines]


def _by_run(keys: dict[str, str | None]) -> Pass:
    """A line together with those after it; it has to say something itself."""

    def runs(lines: Sequence[str]) -> list[Hashable]:
        found = [keys[line] for line in lines]
        shifted = (found[shift:] for shift in range(RUN))
        return [run if run[0] else None for run in zip(*shifted, strict=False)]

    return runs


class LineAligner:
    """Aligns two lists of lines; ``partner`` holds for each left line its right one, or -1."""

    def __init__(self, left: Sequence[str], right: Sequence[str], cancelled: Callable[[], bool]) -> None:
        self._left, self._right = left, right
        self._words = _LineWords()
        bare, shapes = _BareLines(), _Shapes()
        lines, alike = _by_line(bare), _by_line(shapes)
        self.partner, gaps = partners(left, right, (lines, _by_run(bare), alike, _by_run(shapes)), cancelled)
        budget = PAIR_BUDGET
        for gap in sorted(gaps, key=_pairs_in):
            budget -= _pairs_in(gap)
            if _pairs_in(gap) > GAP_PAIRS or budget < 0:
                break
            if cancelled():
                raise DiffCancelled
            self._align(gap)

    def _align(self, gap: Gap) -> None:
        """The pairing of a gap's lines, forward on both sides, with the highest sum of scores."""
        l0, l1, r0, r1 = gap
        right = [(line, self._words[line]) for line in self._right[r0:r1]]
        best = [0.0] * (len(right) + 1)
        steps = []
        for line in self._left[l0:l1]:
            best, row = _best_row(line, self._words[line], right, best)
            steps.append(row)
        i, j = l1 - l0, r1 - r0
        end = l1, r1
        while i and j:
            step = steps[i - 1][j - 1]
            if step == _PAIR:
                self.partner[l0 + i - 1] = r0 + j - 1
                _tie_ends(self._left, self._right, self.partner, (l0 + i, end[0], r0 + j, end[1]))
                end = l0 + i - 1, r0 + j - 1
            i -= step != _SKIP_RIGHT
            j -= step != _SKIP_LEFT


_PAIR, _SKIP_LEFT, _SKIP_RIGHT = range(3)


def _best_row(
    line: str, words: Words, right: list[tuple[str, Words]], above: list[float]
) -> tuple[list[float], bytearray]:
    """One row of the alignment: the best sums that end at this left line, and the step that leads to each."""
    row = [0.0]
    steps = bytearray()
    for at, (other, other_words) in enumerate(right):
        paired = above[at] + _score(line, words, other, other_words)
        skip_left, skip_right = above[at + 1], row[at]
        if paired > skip_left and paired > skip_right:
            row.append(paired)
            steps.append(_PAIR)
        elif skip_left >= skip_right:
            row.append(skip_left)
            steps.append(_SKIP_LEFT)
        else:
            row.append(skip_right)
            steps.append(_SKIP_RIGHT)
    return row, steps


def _score(line: str, words: Words, other: str, other_words: Words) -> float:
    if not words[0] or not other_words[0]:
        return 0.0
    weight = min(len(words[1]), len(other_words[1]), FULL_WEIGHT)
    if line == other:
        return weight
    alike = _overlap(words[0], other_words[0])
    if alike < SIMILAR:
        return 0.0
    return weight * (SAME_WORDS * alike * alike + SAME_NUMBERS * _overlap(words[1], other_words[1]))


def _overlap(words: frozenset[str], others: frozenset[str]) -> float:
    return 2 * len(words & others) / (len(words) + len(others))


def _pairs_in(gap: Gap) -> int:
    return (gap[1] - gap[0]) * (gap[3] - gap[2])
