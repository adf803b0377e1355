"""What the list says of each row, and how it is filtered, sorted and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkexplorer.catalog.model import Evidence, Origin
from mkexplorer.picks.model import PickState
from mkexplorer.report.rows import (
    GraphRow,
    MultiKernelRow,
    Order,
    count,
    counts_text,
    filter_rows,
    graph_rows,
    multi_kernel_row,
    sort_rows,
    time_text,
)
from tests.builders import evidence, multi_kernel, tensor
from tests.fake_catalog import FakeCatalog

LAYER_NORM = multi_kernel_row(
    multi_kernel(
        "aten.native_layer_norm", arguments=(tensor(4096, 4096, dtype="torch.bfloat16"),), name="multi_kernel_1"
    ),
    evidence(0, 31.1, 22.6),
)
SOFTMAX = multi_kernel_row(
    multi_kernel("aten._softmax", arguments=(tensor(16, 16000),)), evidence(1, 100.0, 101.0, spread_us=3.0)
)
SUM = multi_kernel_row(multi_kernel("aten.sum", arguments=(tensor(8, 512),), graph="3_backward"), None)
GRAPHS = (GraphRow("a", "graph 0_inference", (LAYER_NORM, SOFTMAX)), GraphRow("b", "graph 3_backward", (SUM,)))


def titles_of(graphs: tuple[GraphRow, ...]) -> list[str]:
    return [row.title for graph in graphs for row in graph.rows]


def row_of(found: Evidence | None) -> MultiKernelRow:
    return multi_kernel_row(multi_kernel("aten.sum"), found)


def test_a_row_says_what_the_design_shows() -> None:
    assert (LAYER_NORM.title, LAYER_NORM.shape, LAYER_NORM.dtype) == ("layer_norm", "4096×4096", "bf16")
    assert str(LAYER_NORM.mark) == "⚠ +38%"
    assert [(time_text(sub.time_us), sub.note) for sub in LAYER_NORM.sub_kernels] == [
        ("31.1 µs", "● picked"),
        ("22.6 µs", "fastest"),
    ]


@pytest.mark.parametrize(
    ("found", "mark"),
    [
        (evidence(1, 31.1, 22.6), "✓ fastest"),
        (evidence(0, 100.0, 100.0), "= SAME"),
        (evidence(0, 10.0, 10.0, spread_us=3.0), "? UNSURE"),
        (evidence(None, 31.1, 22.6), "– no pick"),
        (evidence(2, 31.1, 22.6), "✗ invalid pick"),
        (evidence(0), ""),
        (None, ""),
    ],
)
def test_marks(found: Evidence | None, mark: str) -> None:
    assert str(row_of(found).mark) == mark


@pytest.mark.parametrize(
    ("found", "state", "index"),
    [
        (evidence(1, 1.0, 2.0), PickState.PICKED, 1),
        (evidence(None, 1.0, 2.0), PickState.NONE, None),
        (evidence(-1, 1.0, 2.0), PickState.INVALID, None),
        (None, PickState.UNKNOWN, None),
    ],
)
def test_a_pick_is_what_the_record_says_and_never_a_guess(
    found: Evidence | None, state: PickState, index: int | None
) -> None:
    pick = row_of(found).pick
    assert (pick.state, pick.index) == (state, index)
    assert pick.reason


def test_evidence_for_another_number_of_sub_kernels_is_not_used() -> None:
    row = row_of(evidence(0, 1.0, 2.0, 3.0))
    assert row.judgement is None
    assert [sub.time_us for sub in row.sub_kernels] == [None, None]


def test_without_a_clear_winner_nothing_is_called_the_fastest() -> None:
    assert [sub.note for sub in SOFTMAX.sub_kernels] == ["", "● picked"]


@pytest.mark.parametrize(
    ("time_us", "text"),
    [(None, ""), (0.5, "0.50 µs"), (9.994, "9.99 µs"), (31.14, "31.1 µs"), (380.2, "380 µs"), (1840.0, "1.84 ms")],
)
def test_times_have_three_digits(time_us: float | None, text: str) -> None:
    assert time_text(time_us) == text


@given(st.floats(0.001, 1e6))
def test_times_are_never_longer_than_their_column(time_us: float) -> None:
    assert len(time_text(time_us)) <= 7


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["layer_norm", "softmax", "sum"]),
        ("layer", ["layer_norm"]),
        ("LAYER bf16", ["layer_norm"]),
        ("lnorm", ["layer_norm"]),
        ("4096x", ["layer_norm"]),
        ("16×16000", ["softmax"]),
        ("bf16 softmax", []),
        ("backward", ["sum"]),
        ("persistent", ["layer_norm", "softmax", "sum"]),
        ("multi_kernel_1", ["layer_norm"]),
        ("c1file.py", ["layer_norm", "softmax", "sum"]),
        ("slower", ["layer_norm"]),
        ("unsure", ["softmax"]),
        ("zzz", []),
    ],
)
def test_filter(query: str, found: list[str]) -> None:
    assert titles_of(filter_rows(GRAPHS, query)) == found


def test_the_wrappers_path_finds_all_of_its_rows() -> None:
    graphs = (GRAPHS[0], replace(GRAPHS[1], path="my/Softmax_step.py"))
    assert titles_of(filter_rows(graphs, "my/softmax_step.py")) == ["sum"]


@pytest.mark.parametrize(
    ("graph", "origin", "title"),
    [
        ("0_inference", Origin("softmax.py"), "graph 0_inference"),
        (None, Origin("my/softmax.py"), "softmax.py"),
        (None, Origin("qa/cqaqaqa.py"), "wrapper cqaqaqa"),
        (None, Origin("output.log", 2), "wrapper cqaqaqa"),
    ],
)
def test_a_group_has_its_graphs_number_or_the_name_that_a_person_gave_its_file(
    graph: str | None, origin: Origin, title: str
) -> None:
    catalog = FakeCatalog([multi_kernel("aten.sum", graph=graph, key="cqaqaqa")])
    catalog.place_wrapper("cqaqaqa", origin)
    (row,) = graph_rows(catalog.as_catalog)
    assert (row.title, row.path) == (title, origin.path)


def test_a_graph_without_matches_is_left_out() -> None:
    assert [graph.key for graph in filter_rows(GRAPHS, "softmax")] == ["a"]


@given(st.text(max_size=12))
def test_a_longer_query_never_finds_more(query: str) -> None:
    assert set(titles_of(filter_rows(GRAPHS, f"{query} 4096"))) <= set(titles_of(filter_rows(GRAPHS, query)))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order.OPERATION, ["layer_norm", "softmax", "sum"]),
        (Order.SIZE, ["layer_norm", "softmax", "sum"]),
        (Order.TIME, ["softmax", "layer_norm", "sum"]),
        (Order.REGRET, ["layer_norm", "softmax", "sum"]),
    ],
)
def test_sorting_makes_one_list_of_all(order: Order, expected: list[str]) -> None:
    ordered = sort_rows(tuple(reversed(GRAPHS)), order)
    assert [graph.title for graph in ordered] == [""]
    assert titles_of(ordered) == expected


def test_the_graphs_own_order_changes_nothing() -> None:
    assert sort_rows(GRAPHS, Order.GRAPH) == GRAPHS


def test_counts() -> None:
    counts = count(GRAPHS)
    assert (counts.multi_kernels, counts.sub_kernels, counts.slower, counts.unsure) == (3, 6, 1, 1)
    assert counts_text(counts) == "3 multi-kernels · 1 slower than it could be"
    assert counts_text(count(())) == "0 multi-kernels"
