"""The report's rows as visible rows: keys that stay, folding, columns, marks."""

from __future__ import annotations

from mkexplorer.report import rows
from mkexplorer.tui.list_rows import Folding, RowKey, outline_rows
from mkexplorer_widgets.outline import OutlineRow
from tests.fake_catalog import key, two_graphs

GRAPHS = rows.graph_rows(two_graphs().as_catalog)
LAYER_NORM, SOFTMAX = (graph.rows[0].multi_kernel.id for graph in GRAPHS)


def texts(row: OutlineRow) -> list[str]:
    return [cell.text for cell in row.cells]


def test_graphs_are_open_and_multi_kernels_folded_at_first() -> None:
    shown = outline_rows(GRAPHS, Folding(), None)
    assert [row.key for row in shown] == [
        RowKey(graph=key("a")),
        RowKey(multi_kernel=LAYER_NORM),
        RowKey(graph=key("b")),
        RowKey(multi_kernel=SOFTMAX),
    ]
    assert [row.depth for row in shown] == [0, 1, 0, 1]


def test_toggling_opens_and_closes() -> None:
    opened = Folding().toggled(RowKey(multi_kernel=LAYER_NORM)).toggled(RowKey(graph=key("b")))
    shown = outline_rows(GRAPHS, opened, None)
    assert [row.key for row in shown] == [
        RowKey(graph=key("a")),
        RowKey(multi_kernel=LAYER_NORM),
        RowKey(multi_kernel=LAYER_NORM, sub=0),
        RowKey(multi_kernel=LAYER_NORM, sub=1),
        RowKey(graph=key("b")),
    ]
    assert texts(shown[-1]) == ["graph 1_inference  (1)"]
    assert opened.toggled(RowKey(multi_kernel=LAYER_NORM)).toggled(RowKey(graph=key("b"))) == Folding()


def test_a_multi_kernel_says_sign_and_word_besides_colour() -> None:
    row = outline_rows(GRAPHS, Folding(), None)[1]
    assert texts(row) == ["layer_norm", "4096×4096", "bf16", "⚠ +38%"]
    assert row.cells[3].tone == "bad"


def test_a_sub_kernel_says_kind_time_and_what_it_is() -> None:
    opened = Folding(open_multi_kernels=frozenset({LAYER_NORM}))
    looped, persistent = outline_rows(GRAPHS, opened, RowKey(multi_kernel=LAYER_NORM, sub=1))[2:4]
    assert texts(looped) == ["0 looped", "31.1 µs", "● picked"]
    assert texts(persistent) == ["1 persistent", "22.6 µs", "fastest ◆ marked"]


def test_a_sorted_list_has_no_graph_rows_and_the_same_keys() -> None:
    shown = outline_rows(rows.sort_rows(GRAPHS, rows.Order.REGRET), Folding(), None)
    assert [row.key for row in shown] == [RowKey(multi_kernel=LAYER_NORM), RowKey(multi_kernel=SOFTMAX)]
    assert [row.depth for row in shown] == [0, 0]
