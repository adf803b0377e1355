"""Lays out everything known of a multi-kernel for a width: times as bars, sub-kernels side by side.

A pure function of the report's data; text from the place is shown, never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import set_cell_size
from textual.content import Content

from mkexplorer.catalog.model import Timing
from mkexplorer.measure.model import Device
from mkexplorer.report.details import HISTORY, Section
from mkexplorer.report.rows import MultiKernelRow, time_text
from mkexplorer.tui.section_text import (
    LEAST_WIDTH,
    MUTED,
    Line,
    differences,
    heading,
    label_width,
    section_lines,
    sub_title,
)

WIDEST_BAR = 40

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the tab shows. ``sections`` are `report.details.details`' own, in its order."""

    row: MultiKernelRow
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
        heading(identity.title, width),
        *_times(facts, width),
        *section_lines(pick, width),
        *(line for section in history for line in section_lines(section, width)),
        *section_lines(Section("What it is", identity.entries), width),
        *differences([sub_title(row) for row in facts.row.sub_kernels], sub_kernels, width),
    ]
    for section in arguments:
        lines += section_lines(section, width)
    return Content("\n").join(lines)


# --- times ---------------------------------------------------------------------------------------------------


def _times(facts: Facts, width: int) -> Iterator[Line]:
    """Yield a bar for each time of a GPU that was measured, all to one scale; nothing where none was."""
    rows, found = facts.row.sub_kernels, facts.row.measurement
    if found is None or found.device is not Device.CUDA:
        return
    timed = [(row, measured.cold, measured.hot) for row, measured in zip(rows, found.sub_kernels, strict=True)]
    longest = max((time.median_us for _, *times in timed for time in times if time is not None), default=0.0)
    if not longest:
        return
    for row, cold, hot in timed:
        label = sub_title(row)
        for name, time in (("cold", cold), ("hot", hot)):
            if time is not None:
                yield _bar(label, name, time, longest, width, row.note if name == "cold" else "")
                label = ""
    yield Content("")


def _bar(label: str, name: str, time: Timing, longest: float, width: int, note: str) -> Line:
    numbers = f"{name:<5}{time_text(time.median_us):>8}  "
    label_cells = label_width(width)
    room = min(WIDEST_BAR, width - label_cells - len(numbers) - len(" ● picked fastest"))
    style = MUTED if name == "hot" else "$text-success" if "fastest" in note else "$text-primary"
    return Content.assemble(
        (set_cell_size(label, label_cells), MUTED),
        numbers,
        (_blocks(time.median_us / longest, room), style),
        f" {note}",
    )


def _blocks(share: float, room: int) -> str:
    """Return a bar of ``share`` (0 to 1) of ``room`` cells, in eighths of a cell; never nothing."""
    eighths = max(1, round(share * room * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
