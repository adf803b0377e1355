"""What the command line prints for people: a table of the list, the details, a coloured difference.

Everything from a place goes through ``visible`` here, so that nothing in it can drive a terminal.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import compress
from typing import TYPE_CHECKING

from mkexplorer.catalog.model import Diagnostic, Place, PlaceKind
from mkexplorer.picks.model import PickState
from mkexplorer.report.findings import CheckupSection, Level
from mkexplorer.report.rows import GraphRow, MultiKernelRow, SubKernelRow, Tone, pick_text, time_text
from mkexplorer_widgets.plain_text import visible

if TYPE_CHECKING:
    from mkexplorer.picks.environment import EnvironmentNote
    from mkexplorer.report.changes import ChangeRow, HistoryRow
    from mkexplorer.report.details import Section


class Ansi(StrEnum):
    """The terminal's own palette, so that it fits whatever theme the terminal has."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BLUE = "34"
    MAGENTA = "35"
    CYAN = "36"


_STATES = {PickState.PINNED: (Ansi.CYAN,), PickState.INVALID: (Ansi.RED,), PickState.UNKNOWN: (Ansi.YELLOW,)}
_SIGNS = {
    Level.OK: ("✓", (Ansi.GREEN,)),
    Level.WARNING: ("⚠", (Ansi.YELLOW,)),
    Level.PROBLEM: ("✗", (Ansi.RED,)),
}
_BAD = (Level.PROBLEM, Level.WARNING)
TONES = {Tone.GOOD: Ansi.GREEN, Tone.BAD: Ansi.RED, Tone.UNSURE: Ansi.YELLOW}
# The names of syntax styles, as the highlighter of mkexplorer_widgets gives them.
_SYNTAX = {
    "comment": Ansi.DIM,
    "string": Ansi.GREEN,
    "number": Ansi.YELLOW,
    "constant": Ansi.YELLOW,
    "keyword": Ansi.MAGENTA,
    "type": Ansi.CYAN,
    "function": Ansi.BLUE,
    "decorator": Ansi.BLUE,
    "builtin": Ansi.MAGENTA,
    "variable": Ansi.CYAN,
    "label": Ansi.RED,
}
_ELLIPSIS = "…"
_GAP = "  "
_NARROWEST = 8
_USEFUL_SUB_KERNELS = 24


@dataclass(frozen=True, slots=True)
class Look:
    """``width`` in cells, None for no limit (a file or a pipe gets everything)."""

    colour: bool = False
    width: int | None = None

    def paint(self, text: str, *codes: Ansi) -> str:
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.colour and codes and text else text


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table, and its colours."""

    text: str
    codes: tuple[Ansi, ...] = ()


_HEADINGS = ("ID", "OPERATION", "SHAPE", "DTYPE", "VERDICT", "PICK", "SUB-KERNELS")
_OPERATION = 1
_HISTORY_HEADINGS = ("WHEN (UTC)", "WHO", "MULTI-KERNEL", "CHANGE", "", "WHY")


def table(graphs: Iterable[GraphRow], look: Look) -> Iterator[str]:
    """One line for each multi-kernel under a line of headings; a column that is empty all the way is left out.

    So is the column of picks where none is known: `rows.unknown_picks` says why.
    """
    rows = [row for graph in graphs for row in graph.rows]
    has_picks = any(row.pick.state is not PickState.UNKNOWN for row in rows)
    lines = _used_columns(_HEADINGS, [_cells(row, has_picks) for row in rows])
    if lines:
        widths = _fit([max(map(cell_width, column)) for column in _columns(lines)], look.width, has_picks)
        yield from _aligned(lines, widths, look)


def history_table(rows: Iterable[HistoryRow], look: Look) -> Iterator[str]:
    """One line for each change, in the order given."""
    yield from columns(_HISTORY_HEADINGS, [_history_cells(row) for row in rows], look)


def columns(headings: Sequence[str], rows: list[list[Cell]], look: Look) -> Iterator[str]:
    """Rows under their headings, as wide as they are; a column that is empty all the way is left out."""
    lines = _used_columns(headings, rows)
    yield from _aligned(lines, [max(map(cell_width, column)) for column in _columns(lines)], look)


def change(row: ChangeRow, look: Look) -> str:
    """'cmzexxx/multi_kernel_0 layer_norm 4096×4096 bf16: picked 0 looped → pinned 1 persistent'."""
    before, after = one_line(row.before), look.paint(one_line(row.after), Ansi.BOLD)
    return f"{look.paint(one_line(row.label), Ansi.CYAN)}: {before} → {after}"


def _used_columns(headings: Sequence[str], rows: list[list[Cell]]) -> list[list[Cell]]:
    """The headings and the rows without the columns that are empty all the way; nothing where there are no rows."""
    if not rows:
        return []
    used = [any(cell.text for cell in column) for column in zip(*rows, strict=True)]
    return [list(compress(line, used)) for line in ([Cell(text, (Ansi.BOLD,)) for text in headings], *rows)]


def _aligned(lines: Iterable[list[Cell]], widths: Sequence[int], look: Look) -> Iterator[str]:
    for line in lines:
        cells = (
            look.paint(shortened(cell.text, width), *cell.codes) + " " * (width - cell_width(cell.text))
            for cell, width in zip(line, widths, strict=False)  # a column that does not fit has no width
        )
        yield _GAP.join(cells).rstrip()


def details(sections: Sequence[Section], look: Look) -> Iterator[str]:
    """Sections with their labels in one column; where a value came from stands dim behind it."""
    for number, section in enumerate(sections):
        if number:
            yield ""
        yield look.paint(one_line(section.title), Ansi.BOLD)
        width = min(max((cell_width(one_line(entry.label)) for entry in section.entries), default=0), 24)
        for entry in section.entries:
            label = one_line(entry.label)
            origin = f"  ({one_line(entry.origin)})" if entry.origin else ""
            padding = " " * max(0, width - cell_width(label))
            yield f"  {look.paint(label, Ansi.CYAN)}{padding}  {one_line(entry.value)}{look.paint(origin, Ansi.DIM)}"


def difference(lines: Iterable[str], look: Look) -> Iterator[str]:
    """The lines of a unified difference."""
    for line in lines:
        shown = one_line(line)
        if line.startswith(("--- ", "+++ ")):
            yield look.paint(shown, Ansi.BOLD)
        elif line.startswith("@@"):
            yield look.paint(shown, Ansi.CYAN)
        elif line.startswith("-"):
            yield look.paint(shown, Ansi.RED)
        elif line.startswith("+"):
            yield look.paint(shown, Ansi.GREEN)
        else:
            yield shown


def coloured(line: str, spans: Iterable[tuple[int, int, str]], look: Look) -> str:
    """A visible line of code with its syntax colours; ``spans`` are (start, end, style) in order."""
    pieces, done = [], 0
    for start, end, style in spans:
        pieces += [line[done:start], look.paint(line[start:end], *([_SYNTAX[style]] if style in _SYNTAX else []))]
        done = end
    return "".join([*pieces, line[done:]])


def diagnostic(found: Diagnostic, place: Place) -> str:
    """'error: /the/cache/k4/ck4….py:12: what happened. What to do.', with a path that an editor can open."""
    line = f":{found.line}" if found.line is not None else ""
    is_file = place.kind in (PlaceKind.WRAPPER, PlaceKind.LOG) or place.path.endswith(f"/{found.path}")
    path = place.path if is_file else f"{place.path}/{found.path}"
    return one_line(f"{found.severity.value}: {path}{line}: {found.message} {found.advice}".rstrip())


def environment_note(note: EnvironmentNote) -> str:
    return one_line(f"{note.variable}={note.value} is set: {note.effect}")


def checkup(sections: Sequence[CheckupSection], look: Look) -> Iterator[str]:
    """Sections with a sign and a word for each finding, what belongs to it below, and how to put it right."""
    for section in sections:
        yield look.paint(one_line(section.title), Ansi.BOLD)
        for finding in section.findings:
            sign, codes = _SIGNS[finding.level]
            yield f"  {look.paint(f'{sign} {finding.level.value}', *codes)}: {one_line(finding.what)}"
            yield from (f"      {one_line(detail)}" for detail in finding.details)
            if finding.fix:
                yield f"      {look.paint('fix:', Ansi.BOLD)} {one_line(finding.fix)}"
        yield ""
    levels = Counter(finding.level for section in sections for finding in section.findings)
    counts = [f"{levels[level]} {level.value}{'s' if levels[level] != 1 else ''}" for level in _BAD if levels[level]]
    yield ", ".join(counts) or "all is well"


def one_line(text: str) -> str:
    """``visible`` for what must stay on one line."""
    return visible(text.removesuffix("\n").replace("\n", "␊"))


def cell_width(text: str) -> int:
    """Terminal cells of visible text."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def shortened(text: str, width: int) -> str:
    """At most ``width`` cells, with an ellipsis for what is left out."""
    if cell_width(text) <= width:
        return text
    kept, used = "", cell_width(_ELLIPSIS)
    for character in text:
        used += _character_width(character)
        if used > width:
            break
        kept += character
    return kept + _ELLIPSIS


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cells(row: MultiKernelRow, has_picks: bool) -> list[Cell]:
    tone = TONES.get(row.mark.tone)
    return [
        Cell(one_line(row.multi_kernel.id), (Ansi.CYAN,)),
        Cell(one_line(row.title)),
        Cell(one_line(row.shape)),
        Cell(one_line(row.dtype)),
        Cell(one_line(str(row.mark)), (tone,) if tone is not None else ()),
        Cell(pick_text(row.pick), _STATES.get(row.pick.state, ())) if has_picks else Cell(""),
        Cell(one_line(", ".join(_sub_kernel(sub) for sub in row.sub_kernels))),
    ]


def _history_cells(row: HistoryRow) -> list[Cell]:
    return [
        Cell(row.when),
        Cell(one_line(row.who)),
        Cell(one_line(row.label), (Ansi.CYAN,)),
        Cell(one_line(f"{row.entry.action.value}: {row.before} → {row.after}")),
        Cell(row.note and f"({row.note})", (Ansi.YELLOW,)),
        Cell(one_line(row.entry.why), (Ansi.DIM,)),
    ]


def _sub_kernel(row: SubKernelRow) -> str:
    """'0 looped 31.1 µs ●': the dot marks the pick."""
    parts = (str(row.sub_kernel.index), row.sub_kernel.kind.value, time_text(row.time_us), "●" if row.picked else "")
    return " ".join(part for part in parts if part)


def _columns(lines: list[list[Cell]]) -> Iterator[tuple[str, ...]]:
    return zip(*([cell.text for cell in line] for line in lines), strict=True)


def _fit(widths: list[int], limit: int | None, has_picks: bool) -> list[int]:
    """Shrink or drop the sub-kernels, shrink the operations, drop the picks until it fits; the rest stays whole."""
    if limit is None:
        return widths
    excess = _total(widths) - limit
    if excess > 0:
        last = widths[-1] - excess
        widths = [*widths[:-1], last] if last >= _USEFUL_SUB_KERNELS else widths[:-1]
    excess = max(0, _total(widths) - limit)
    if has_picks and widths[_OPERATION] - excess < _NARROWEST:
        widths = widths[:-1]
        excess = max(0, _total(widths) - limit)
    widths[_OPERATION] = max(_NARROWEST, widths[_OPERATION] - excess)
    return widths


def _total(widths: list[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)
