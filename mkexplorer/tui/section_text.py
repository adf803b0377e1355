"""The report's sections laid out for a width, and what differs between sub-kernels side by side.

Pure functions of the report's data; text from the place is shown, never read as markup.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from mkexplorer.report.details import Entry, Section
from mkexplorer.report.rows import SubKernelRow
from mkexplorer_widgets.plain_text import visible

# The label's cells in a page of at least so many.
LABELS = ((90, 22), (64, 18), (0, 15))
NARROWEST_COLUMN = 22
LEAST_WIDTH = 50

MUTED = "$foreground 60%"
_HEADING = "bold $text-primary"
_DIFFERENT = "bold $text-warning"

Line = Content
Cells = Sequence[Sequence[str]]


def label_width(width: int) -> int:
    return next(label for least, label in LABELS if width >= least)


def heading(title: str, width: int) -> Line:
    shown = one_line(title)
    if cell_len(shown) > width - 2:
        shown = set_cell_size(shown, width - 3) + "…"
    rule = "─" * max(0, width - cell_len(shown) - 1)
    return Content.assemble((shown, _HEADING), " ", (rule, "$foreground 25%"))


def section_lines(section: Section, width: int) -> Iterator[Line]:
    yield heading(section.title, width)
    for entry in section.entries:
        yield from entry_lines(entry, width)
    yield Content("")


def entry_lines(entry: Entry, width: int) -> Iterator[Line]:
    """Yield ``label  value  origin``; a long value goes on below itself, and the origin below it."""
    label_cells = label_width(width)
    room = width - label_cells
    label = one_line(entry.label)
    if cell_len(label) >= label_cells:
        yield Content.styled(label, MUTED)
        label = ""
    value, origin = wrapped(entry.value, room), one_line(entry.origin)
    first = Content.styled(set_cell_size(label, label_cells), MUTED) + Content(value[0])
    if origin and len(value) == 1 and cell_len(value[0]) + 2 + cell_len(origin) <= room:
        yield first + Content.styled(f"  {origin}", MUTED)
        return
    yield first
    indent = " " * label_cells
    for line in value[1:]:
        yield Content(indent + line)
    for line in wrapped(origin, room) if origin else ():
        yield Content.styled(indent + line, MUTED)


# --- columns -------------------------------------------------------------------------------------------------


def columns(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], width: int) -> Iterator[Line]:
    """Yield each row's label and values, one column per title; where that is too narrow, one below the other.

    A label that begins with ``≠`` is called out.
    """
    label_cells = label_width(width)
    room = (width - label_cells) // len(titles) - 1
    if room >= NARROWEST_COLUMN:
        heads = [wrapped(title, room) for title in titles]
        yield from (Content.styled(line.plain, "bold") for line in _side_by_side("", heads, room, label_cells))
        for label, values in rows:
            yield from _side_by_side(one_line(label), [_cell_lines(each, room) for each in values], room, label_cells)
        return
    for label, values in rows:
        yield _labelled(one_line(label))
        for title, value in zip(titles, values, strict=True):
            yield from entry_lines(Entry(f"  {title}", value.replace("\n", " ")), width)


def differences(titles: Sequence[str], sections: Sequence[Section], width: int) -> Iterator[Line]:
    """Yield first what differs between sections with the same labels, in columns, then what all have in common."""
    if not sections:
        return
    labels = _labels(sections)
    values = {label: [_find(section, *label) for section in sections] for label in labels}
    differing = {label: found for label, found in values.items() if len({entry and entry.value for entry in found}) > 1}
    yield heading("Sub-kernels: what differs (≠)", width)
    rows = [(f"≠ {label}", [_with_origin(entry) for entry in found]) for (label, _), found in differing.items()]
    yield from columns(titles, rows, width)
    yield Content("")
    if len(differing) == len(values):
        return
    yield heading("The same in all of them", width)
    for label, found in values.items():
        if label not in differing and found[0] is not None:
            yield from entry_lines(Entry(found[0].label, found[0].value), width)
    yield Content("")


_Label = tuple[str, int]


def _labels(sections: Sequence[Section]) -> list[_Label]:
    """Return every label with its ordinal (a label may come several times), in reading order."""
    found: dict[_Label, None] = {}
    for section in sections:
        seen: dict[str, int] = {}
        for entry in section.entries:
            seen[entry.label] = seen.get(entry.label, -1) + 1
            found[entry.label, seen[entry.label]] = None
    return list(found)


def _find(section: Section, label: str, ordinal: int) -> Entry | None:
    same = [entry for entry in section.entries if entry.label == label]
    return same[ordinal] if ordinal < len(same) else None


def _with_origin(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    # The decorator's name would stand in every cell; its kind stands above the column.
    return entry.value if not entry.origin or entry.origin.startswith("@") else f"{entry.value}\n({entry.origin})"


def _cell_lines(value: str, room: int) -> list[str]:
    return [line for part in value.split("\n") for line in wrapped(part, room)]


def _side_by_side(label: str, cells: Cells, room: int, label_cells: int) -> Iterator[Line]:
    for start, *parts in zip_longest(wrapped(label, label_cells - 1), *cells, fillvalue=""):
        head = _labelled(set_cell_size(start, label_cells))
        yield head + Content(" ".join(set_cell_size(part, room) for part in parts).rstrip())


def _labelled(label: str) -> Line:
    return Content.assemble((label[:1], _DIFFERENT if label.startswith("≠") else MUTED), (label[1:], MUTED))


def sub_title(row: SubKernelRow) -> str:
    return f"{row.sub_kernel.index} {row.sub_kernel.kind.value}"


# --- text ----------------------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    return visible(text).replace("\n", " ")


def wrapped(text: str, room: int) -> list[str]:
    """Break ``text`` into lines of at most ``room`` characters, long words too; at least one line."""
    return textwrap.wrap(one_line(text), room, break_on_hyphens=False) or [""]
