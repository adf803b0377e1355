"""Lays out everything known of a multi-kernel for a width: times as bars, sub-kernels side by side.

A pure function of the report's data; text from the place is shown, never read as markup.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from mkexplorer.catalog.model import Evidence, Timing
from mkexplorer.report.details import HISTORY, Entry, Section
from mkexplorer.report.rows import MultiKernelRow, SubKernelRow, time_text
from mkexplorer_widgets.plain_text import visible

WIDE_LABEL, NARROW_LABEL = 18, 15
NARROW = 64
NARROWEST_COLUMN = 22
LEAST_WIDTH = 50
WIDEST_BAR = 40

_HEADING = "bold $text-primary"
_MUTED = "$foreground 60%"
_DIFFERENT = "bold $text-warning"
_EIGHTHS = " ▏▎▍▌▋▊▉█"

Line = Content


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the tab shows. ``sections`` are `report.details.details`' own, in its order."""

    row: MultiKernelRow
    evidence: Evidence | None
    sections: tuple[Section, ...]


def details_content(facts: Facts, width: int) -> Content:
    """Return the page for ``width`` cells."""
    width = max(width, LEAST_WIDTH)
    count = len(facts.row.sub_kernels)
    identity, pick, rest = facts.sections[0], facts.sections[1], facts.sections[2:]
    sub_kernels = rest[:count]
    history = [section for section in rest[count:] if section.title == HISTORY]
    arguments = [section for section in rest[count:] if section.title != HISTORY]
    lines = [
        _heading(identity.title, width),
        *_times(facts, width),
        *_section(pick, width),
        *(line for section in history for line in _section(section, width)),
        *_section(Section("What it is", identity.entries), width),
        *_sub_kernels(facts.row, sub_kernels, width),
    ]
    for section in arguments:
        lines += _section(section, width)
    return Content("\n").join(lines)


def _label_width(width: int) -> int:
    return NARROW_LABEL if width < NARROW else WIDE_LABEL


def _heading(title: str, width: int) -> Line:
    shown = _line(title)
    if cell_len(shown) > width - 2:
        shown = set_cell_size(shown, width - 3) + "…"
    rule = "─" * max(0, width - cell_len(shown) - 1)
    return Content.assemble((shown, _HEADING), " ", (rule, "$foreground 25%"))


def _section(section: Section, width: int) -> Iterator[Line]:
    yield _heading(section.title, width)
    for entry in section.entries:
        yield from _entry(entry, width)
    yield Content("")


def _entry(entry: Entry, width: int) -> Iterator[Line]:
    """Yield ``label  value  origin``; a long value goes on below itself, and the origin below it."""
    label_width = _label_width(width)
    room = width - label_width
    label = _line(entry.label)
    if cell_len(label) >= label_width:
        yield Content.styled(label, _MUTED)
        label = ""
    value, origin = _wrapped(entry.value, room), _line(entry.origin)
    first = Content.styled(set_cell_size(label, label_width), _MUTED) + Content(value[0])
    if origin and len(value) == 1 and cell_len(value[0]) + 2 + cell_len(origin) <= room:
        yield first + Content.styled(f"  {origin}", _MUTED)
        return
    yield first
    indent = " " * label_width
    for line in value[1:]:
        yield Content(indent + line)
    for line in _wrapped(origin, room) if origin else ():
        yield Content.styled(indent + line, _MUTED)


# --- times ---------------------------------------------------------------------------------------------------


def _times(facts: Facts, width: int) -> Iterator[Line]:
    """Yield a bar for each time that was measured, all to one scale; nothing where none was."""
    rows, evidence = facts.row.sub_kernels, facts.evidence
    if evidence is None or len(evidence.sub_kernels) != len(rows):
        return
    timed = [(row, measured.cold, measured.hot) for row, measured in zip(rows, evidence.sub_kernels, strict=True)]
    longest = max((time.median_us for _, *times in timed for time in times if time is not None), default=0.0)
    if not longest:
        return
    for row, cold, hot in timed:
        label = f"{row.sub_kernel.index} {row.sub_kernel.kind.value}"
        for name, time in (("cold", cold), ("hot", hot)):
            if time is not None:
                yield _bar(label, name, time, longest, width, row.note if name == "cold" else "")
                label = ""
    yield Content("")


def _bar(label: str, name: str, time: Timing, longest: float, width: int, note: str) -> Line:
    numbers = f"{name:<5}{time_text(time.median_us):>8}  "
    label_width = _label_width(width)
    room = min(WIDEST_BAR, width - label_width - len(numbers) - len(" ● picked fastest"))
    style = _MUTED if name == "hot" else "$text-success" if "fastest" in note else "$text-primary"
    return Content.assemble(
        (set_cell_size(label, label_width), _MUTED),
        numbers,
        (_blocks(time.median_us / longest, room), style),
        f" {note}",
    )


def _blocks(share: float, room: int) -> str:
    """Return a bar of ``share`` (0 to 1) of ``room`` cells, in eighths of a cell; never nothing."""
    eighths = max(1, round(share * room * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


# --- sub-kernels side by side --------------------------------------------------------------------------------


def _sub_kernels(row: MultiKernelRow, sections: Sequence[Section], width: int) -> Iterator[Line]:
    """Yield first what differs between the sub-kernels, in columns, then what all have in common."""
    if not sections:
        return
    labels = _labels(sections)
    values = {label: [_find(section, *label) for section in sections] for label in labels}
    differing = {label: found for label, found in values.items() if len({entry and entry.value for entry in found}) > 1}
    yield _heading("Sub-kernels: what differs (≠)", width)
    if (width - _label_width(width)) // len(sections) - 1 >= NARROWEST_COLUMN:
        yield from _columns(row.sub_kernels, differing, width)
    else:
        yield from _stacked(row.sub_kernels, differing, width)
    yield Content("")
    if len(differing) == len(values):
        return
    yield _heading("The same in all of them", width)
    for label, found in values.items():
        if label not in differing and found[0] is not None:
            yield from _entry(Entry(found[0].label, found[0].value), width)
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


def _columns(rows: Sequence[SubKernelRow], differing: dict[_Label, list[Entry | None]], width: int) -> Iterator[Line]:
    label_width = _label_width(width)
    room = (width - label_width) // len(rows) - 1
    titles = [_wrapped(_sub_title(row), room) for row in rows]
    yield from (Content.styled(line.plain, "bold") for line in _side_by_side("", titles, room, label_width))
    for (label, _), entries in differing.items():
        cells = [_cell_lines(entry, room) for entry in entries]
        yield from _side_by_side(f"≠ {_line(label)}", cells, room, label_width)


def _side_by_side(label: str, cells: Sequence[Sequence[str]], room: int, label_width: int) -> Iterator[Line]:
    labels = _wrapped(label, label_width - 1)
    for start, *parts in zip_longest(labels, *cells, fillvalue=""):
        head = set_cell_size(start, label_width)
        mark = (head[:1], _DIFFERENT) if head.startswith("≠") else (head[:1], _MUTED)
        yield Content.assemble(mark, (head[1:], _MUTED), " ".join(set_cell_size(part, room) for part in parts).rstrip())


def _cell_lines(entry: Entry | None, room: int) -> list[str]:
    if entry is None:
        return ["–"]
    # The decorator's name would stand in every cell; its kind stands above the column.
    origin = "" if entry.origin.startswith("@") else entry.origin
    return [*_wrapped(entry.value, room), *(_wrapped(f"({origin})", room) if origin else ())]


def _stacked(rows: Sequence[SubKernelRow], differing: dict[_Label, list[Entry | None]], width: int) -> Iterator[Line]:
    for (label, _), entries in differing.items():
        yield Content.assemble(("≠ ", _DIFFERENT), (_line(label), _MUTED))
        for row, entry in zip(rows, entries, strict=True):
            value = Entry(f"  {_sub_title(row)}", entry.value if entry is not None else "–")
            yield from _entry(value, width)


def _sub_title(row: SubKernelRow) -> str:
    return f"{row.sub_kernel.index} {row.sub_kernel.kind.value}"


# --- text ----------------------------------------------------------------------------------------------------


def _line(text: str) -> str:
    return visible(text).replace("\n", " ")


def _wrapped(text: str, room: int) -> list[str]:
    """Break ``text`` into lines of at most ``room`` characters, long words too; at least one line."""
    return textwrap.wrap(_line(text), room, break_on_hyphens=False) or [""]
