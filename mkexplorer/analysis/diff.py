"""What differs between two texts: changes of lines, the rows that show them, and the words that differ in a line.

Line numbers count from 0 everywhere in this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from mkexplorer.analysis.alignment import DiffCancelled, Gap, LineAligner, never, partners

__all__ = [
    "Change",
    "DiffCancelled",
    "Row",
    "Totals",
    "diff_lines",
    "split_rows",
    "totals",
    "unified_lines",
    "unified_rows",
    "unified_text",
    "word_marks",
]

Span = tuple[int, int]

# Fewer equal lines than this are not worth a fold.
MIN_FOLD = 4

# Lines with less than this share of their letters in common are marked as a whole, not word by word.
MARKABLE = 0.3

_TOKEN = re.compile(r"[^\W_]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Change:
    """One step from left to right. A ``replace`` has as many lines on both sides: line n became line n."""

    op: Literal["equal", "replace", "delete", "insert"]
    left: range
    right: range


class Row(NamedTuple):
    """One line on screen. ``left`` and ``right`` are the lines it shows.

    A ``change`` shows a line and what became of it; ``beside`` is a deleted line that merely shares its row with an
    inserted one. A ``fold`` stands for ``hidden`` equal lines, of which ``left`` and ``right`` are the first. In a
    unified list a changed line has two rows, ``delete`` and ``insert``; ``partner`` is then the line of the other
    side.
    """

    kind: Literal["equal", "change", "beside", "delete", "insert", "fold"]
    left: int | None
    right: int | None
    hidden: int = 0
    partner: int | None = None


def diff_lines(left: Sequence[str], right: Sequence[str], cancelled: Callable[[], bool] = never) -> tuple[Change, ...]:
    """The changes that make ``right`` of ``left``; they cover every line of both sides once, in order.

    ``cancelled`` is asked now and then; once it says yes, DiffCancelled is raised.
    """
    partner = LineAligner(left, right, cancelled).partner
    changes: list[Change] = []
    i = j = 0
    while i < len(left):
        first_i, first_j, paired = i, j, partner[i]
        if paired < 0:
            while i < len(left) and partner[i] < 0:
                i += 1
            changes.append(Change("delete", range(first_i, i), range(j, j)))
        elif paired > j:
            changes.append(Change("insert", range(i, i), range(j, paired)))
            j = paired
        else:
            equal = left[i] == right[j]
            while i < len(left) and partner[i] == j and (left[i] == right[j]) == equal:
                i, j = i + 1, j + 1
            changes.append(Change("equal" if equal else "replace", range(first_i, i), range(first_j, j)))
    if j < len(right):
        changes.append(Change("insert", range(i, i), range(j, len(right))))
    return tuple(changes)


def split_rows(changes: Sequence[Change], context: int | None) -> list[Row]:
    """Rows for two columns. Lines deleted and inserted at the same place share rows.

    Equal runs keep ``context`` lines beside a change and fold the rest (None: nothing folds).
    """
    rows: list[Row] = []
    for index, change in enumerate(changes):
        match change.op:
            case "equal":
                rows += _equal_rows(change, context, index > 0, index < len(changes) - 1)
            case "replace":
                rows += (Row("change", i, j) for i, j in zip(change.left, change.right, strict=True))
            case "insert" if index and changes[index - 1].op == "delete":
                rows += _beside(rows, change, len(changes[index - 1].left))
            case "insert":
                rows += (Row("insert", None, j) for j in change.right)
            case "delete":
                rows += (Row("delete", i, None) for i in change.left)
    return rows


def _beside(rows: list[Row], inserted: Change, deleted: int) -> list[Row]:
    """Put the first inserted lines beside the last ``deleted`` rows; return the rows of the others."""
    shared = min(deleted, len(inserted.right))
    first = len(rows) - deleted
    for offset in range(shared):
        rows[first + offset] = Row("beside", rows[first + offset].left, inserted.right[offset])
    return [Row("insert", None, j) for j in inserted.right[shared:]]


def unified_rows(changes: Sequence[Change], context: int | None) -> list[Row]:
    """Rows for one column: of each stretch of changes first what went, then what came."""
    rows: list[Row] = []
    came: list[Row] = []
    for index, change in enumerate(changes):
        if change.op == "equal":
            rows += came
            came = []
            rows += _equal_rows(change, context, index > 0, index < len(changes) - 1)
            continue
        paired = change.op == "replace"
        for at, i in enumerate(change.left):
            rows.append(Row("delete", i, None, partner=change.right[at] if paired else None))
        for at, j in enumerate(change.right):
            came.append(Row("insert", None, j, partner=change.left[at] if paired else None))
    return rows + came


def _equal_rows(change: Change, context: int | None, after_change: bool, before_change: bool) -> Iterator[Row]:
    count = len(change.left)
    head = count if context is None else context if after_change else 0
    tail = 0 if context is None else context if before_change else 0
    hidden = count - head - tail
    if hidden < MIN_FOLD:
        head, hidden = count, 0
    for offset in range(head):
        yield Row("equal", change.left[offset], change.right[offset])
    if not hidden:
        return
    yield Row("fold", change.left[head], change.right[head], hidden)
    for offset in range(count - tail, count):
        yield Row("equal", change.left[offset], change.right[offset])


def word_marks(left: str, right: str) -> tuple[list[Span], list[Span]]:
    """Which characters of a changed line differ, word by word.

    Both lists are empty where the lines have too little in common for that to tell anything.
    """
    indent = min(_indent(left), _indent(right))
    a, b = (
        [line[:indent], line[indent : _indent(line)], *_TOKEN.findall(line, _indent(line))] for line in (left, right)
    )
    partner = _token_partners(a, b)
    common = sum(len(token.strip()) for token, j in zip(a, partner, strict=True) if j >= 0)
    if common < MARKABLE * min(len(left.strip()), len(right.strip())):
        return [], []
    kept = set(partner)
    return _spans(a, [j >= 0 for j in partner]), _spans(b, [j in kept for j in range(len(b))])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _token_partners(a: list[str], b: list[str]) -> list[int]:
    partner, gaps = partners(a, b, (list,), never)
    for l0, l1, r0, r1 in gaps:
        if _is_small((l0, l1, r0, r1)):
            for block in SequenceMatcher(None, a[l0:l1], b[r0:r1], autojunk=False).get_matching_blocks():
                for offset in range(block.size):
                    partner[l0 + block.a + offset] = r0 + block.b + offset
    return partner


def _is_small(gap: Gap) -> bool:
    return (gap[1] - gap[0]) * (gap[3] - gap[2]) <= 10_000


def _spans(tokens: Iterable[str], common: Iterable[bool]) -> list[Span]:
    """Where the tokens that are not common stand; two with only white space between them make one span."""
    spans: list[Span] = []
    start = 0
    reach = -1
    for token, same in zip(tokens, common, strict=True):
        end = start + len(token)
        if same and token.strip():
            reach = -1
        elif not same and reach >= 0:
            spans[-1] = spans[-1][0], end
        elif not same and token:
            spans.append((start, end))
            reach = end
        start = end
    return spans


@dataclass(frozen=True, slots=True)
class Totals:
    """Lines of left that went or changed, lines of right that came or changed, and stretches of them."""

    removed: int
    added: int
    hunks: int


def totals(changes: Sequence[Change]) -> Totals:
    changed = [change for change in changes if change.op != "equal"]
    starts = (index == 0 or changes[index - 1].op == "equal" for index in range(len(changes)))
    return Totals(
        removed=sum(len(change.left) for change in changed),
        added=sum(len(change.right) for change in changed),
        hunks=sum(start and change.op != "equal" for start, change in zip(starts, changes, strict=True)),
    )


def unified_text(
    left: Sequence[str], right: Sequence[str], name_left: str, name_right: str, context: int = 3
) -> Iterator[str]:
    """The lines of a unified diff, without line ends; none if the texts are equal."""
    yield from unified_lines(diff_lines(left, right), left, right, name_left, name_right, context)


def unified_lines(
    changes: Sequence[Change],
    left: Sequence[str],
    right: Sequence[str],
    name_left: str,
    name_right: str,
    context: int = 3,
) -> Iterator[str]:
    """``unified_text`` for changes that are known."""
    if all(change.op == "equal" for change in changes):
        return
    yield f"--- {name_left}"
    yield f"+++ {name_right}"
    hunk: list[Row] = []
    first_left = first_right = 0
    for row in [*unified_rows(changes, context), Row("fold", None, None)]:
        if row.kind != "fold":
            hunk.append(row)
            continue
        in_left = sum(shown.left is not None for shown in hunk)
        in_right = sum(shown.right is not None for shown in hunk)
        if hunk:
            yield f"@@ -{_hunk_range(first_left, in_left)} +{_hunk_range(first_right, in_right)} @@"
            yield from (_unified_line(shown, left, right) for shown in hunk)
        first_left += in_left + row.hidden
        first_right += in_right + row.hidden
        hunk = []


def _hunk_range(first: int, count: int) -> str:
    """Lines count from 1 here; an empty range names the line before it."""
    return f"{first + 1 if count else first},{count}"


def _unified_line(row: Row, left: Sequence[str], right: Sequence[str]) -> str:
    if row.left is not None:
        return ("-" if row.right is None else " ") + left[row.left]
    assert row.right is not None
    return "+" + right[row.right]
