"""What is printed for people fits the terminal, keeps its columns, and can never drive the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.model import Diagnostic, Place, PlaceKind, Severity
from mkexplorer.report.as_text import Look, cell_width, coloured, details, diagnostic, difference, shortened, table
from mkexplorer.report.details import Entry, Section
from mkexplorer.report.rows import GraphRow, multi_kernel_row
from tests.builders import evidence, multi_kernel, tensor

HOSTILE = "\x1b[31m\x9b\u202e\r\n\x07[bold]"
CONTROLS = set(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x202E)))
WIDE = st.text("ab漢字é\u0301×…", max_size=30)


def listed(look: Look, *operations: str) -> list[str]:
    rows = [
        multi_kernel_row(multi_kernel(operation, arguments=(tensor(8, 16),)), evidence(0, 31.1, 22.6))
        for operation in operations
    ]
    return list(table([GraphRow("a", "graph", tuple(rows))], look))


def test_columns_start_at_the_same_cell() -> None:
    heading, *lines = listed(Look(), "aten.sum", "aten.漢字", "aten.native_layer_norm")
    starts = {cell_width(line[: line.index("8×16")]) for line in lines}
    assert starts == {heading.index("SHAPE")}


def test_a_pipe_gets_everything() -> None:
    name = "aten." + "x" * 300
    assert "x" * 300 in listed(Look(), name)[1]


@given(st.integers(60, 200), st.lists(WIDE, min_size=1, max_size=3))
def test_a_terminal_gets_no_line_that_wraps(width: int, names: list[str]) -> None:
    lines = listed(Look(width=width), *(f"aten.a{name}" for name in names))
    assert max(map(cell_width, lines)) <= width


@pytest.mark.parametrize(("width", "more"), [(70, ["PICK"]), (60, [])])
def test_a_narrow_terminal_keeps_ids_whole_and_drops_the_sub_kernels_then_the_picks(
    width: int, more: list[str]
) -> None:
    heading, line = listed(Look(width=width), "aten.native_layer_norm")
    assert heading.split() == ["ID", "OPERATION", "SHAPE", "DTYPE", "VERDICT", *more]
    assert line.startswith("cabc234/multi_kernel_0  ")


def test_no_rows_make_no_table() -> None:
    assert list(table([], Look(width=80))) == []


@pytest.mark.parametrize("look", [Look(), Look(width=60)])
def test_names_are_text_whatever_they_hold(look: Look) -> None:
    sections = [Section(HOSTILE, (Entry(HOSTILE, HOSTILE, HOSTILE),))]
    printed = [
        *listed(look, f"aten.{HOSTILE}"),
        *details(sections, look),
        *difference([f"-{HOSTILE}", f"@@{HOSTILE}", HOSTILE], look),
        diagnostic(Diagnostic(Severity.ERROR, HOSTILE, 3, HOSTILE, HOSTILE), Place(HOSTILE, PlaceKind.CACHE)),
    ]
    assert not CONTROLS & set("".join(printed))
    assert "[bold]" in printed[-1]


def test_details_stand_in_columns_with_their_origins_behind() -> None:
    sections = [Section("Pick", (Entry("state", "picked 1", "record"), Entry("file", "a/b"))), Section("Empty", ())]
    assert list(details(sections, Look())) == ["Pick", "  state  picked 1  (record)", "  file   a/b", "", "Empty"]


@pytest.mark.parametrize(
    ("place", "path", "shown"),
    [
        (Place("/the/cache", PlaceKind.CACHE), "ab/cab.py", "/the/cache/ab/cab.py"),
        (Place("/the/one.mkx", PlaceKind.BUNDLE), "ab/cab.py", "/the/one.mkx/ab/cab.py"),
        (Place("/the/run.log", PlaceKind.LOG), "run.log", "/the/run.log"),
        (Place("/the/link.py", PlaceKind.WRAPPER), "cab.py", "/the/link.py"),
        (Place("/the/trace", PlaceKind.TRACE), "rank_0.log", "/the/trace/rank_0.log"),
        (Place("/the/trace.log", PlaceKind.TRACE), "trace.log", "/the/trace.log"),
    ],
)
def test_a_diagnostic_names_file_and_line_so_that_they_can_be_opened(place: Place, path: str, shown: str) -> None:
    found = Diagnostic(Severity.WARNING, path, 12, "it is cut off", "Copy it again.")
    assert diagnostic(found, place) == f"warning: {shown}:12: it is cut off Copy it again."


def test_colours_are_painted_between_the_spans() -> None:
    spans = [(0, 3, "keyword"), (4, 5, "unknown style"), (6, 7, "number")]
    assert coloured("def f(1)", spans, Look(colour=True)) == "\x1b[35mdef\x1b[0m f(\x1b[33m1\x1b[0m)"


@given(WIDE, st.integers(1, 20))
def test_shortened_text_fits(text: str, width: int) -> None:
    shown = shortened(text, width)
    assert cell_width(shown) <= width
    assert shown == text or shown.endswith("…")
