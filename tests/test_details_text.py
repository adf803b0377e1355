"""The details page: times as bars, what differs side by side, at any width, text as text."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from mkexplorer.report.details import Entry, Section, details
from mkexplorer.report.rows import multi_kernel_row
from mkexplorer.tui.details_text import Facts, details_content
from tests.fake_catalog import two_graphs


def facts(*extra: Entry) -> Facts:
    catalog = two_graphs().as_catalog
    multi_kernel = catalog.multi_kernels[0]
    evidence = catalog.evidence(multi_kernel)
    row = multi_kernel_row(multi_kernel, evidence)
    sections = details(catalog, row)
    return Facts(row, (Section(sections[0].title, sections[0].entries + extra), *sections[1:]))


def page(width: int = 100, *extra: Entry) -> list[str]:
    return [line.rstrip() for line in details_content(facts(*extra), width).plain.splitlines()]


def test_times_are_bars_to_one_scale_with_pick_and_fastest() -> None:
    bars = [line for line in page() if "cold" in line and "µs  " in line]
    picked, fastest = (line.count("█") for line in bars[:2])
    assert "31.1 µs" in bars[0]
    assert bars[0].endswith("● picked")
    assert bars[1].endswith("fastest")
    assert fastest / picked == pytest.approx(22.6 / 31.1, abs=0.05)


def test_what_differs_stands_side_by_side_and_marked() -> None:
    lines = page(100)
    at = next(at for at, line in enumerate(lines) if line.startswith("≠ loads"))
    assert lines[at].split() == ["≠", "loads", "4", "3"]
    assert any(line.split() == ["0", "looped", "1", "persistent"] for line in lines)


def test_what_is_the_same_is_said_once() -> None:
    same = page(100)
    assert sum(line.split()[:2] == ["size", "hints"] for line in same) == 1


def test_a_narrow_page_puts_them_below_each_other() -> None:
    lines = page(50)
    at = next(at for at, line in enumerate(lines) if line.startswith("≠ loads"))
    assert [line.split()[-1] for line in lines[at + 1 : at + 3]] == ["4", "3"]


@pytest.mark.parametrize("width", [50, 52, 63, 77, 100, 198])
def test_no_line_is_wider_than_the_page(width: int) -> None:
    assert max(cell_len(line) for line in page(width)) <= width


def test_each_value_says_where_it_was_read() -> None:
    assert any(line.split() == ["graph", "0_inference", "(inference)", "AOT", "ID", "comment"] for line in page())


def test_hostile_text_is_text() -> None:
    hostile = Entry("[b]label[/]", "\x1b[31mred\tx [/no] " + "z" * 10_000, "[link]from")
    text = "\n".join(page(80, hostile))
    assert "[b]label[/]" in text
    assert "␛[31mred" in text
    assert "[/no]" in text
    assert text.count("z") >= 10_000
