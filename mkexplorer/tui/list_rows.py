"""The report's rows as rows of the outline: which are visible, and what stands in each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mkexplorer.picks.model import PickState
from mkexplorer.report import rows
from mkexplorer.tui.picks import LOOKING
from mkexplorer_widgets.outline import Cell, OutlineRow, Tone


class RowKey(NamedTuple):
    """Which row: a graph's, a multi-kernel's, or (``sub`` >= 0) a sub-kernel's. The same in every order."""

    graph: str = ""
    multi_kernel: str = ""
    sub: int = -1


@dataclass(frozen=True, slots=True)
class Folding:
    """Graphs are open unless folded, multi-kernels folded unless open."""

    folded_graphs: frozenset[str] = frozenset()
    open_multi_kernels: frozenset[str] = frozenset()

    def toggled(self, key: RowKey) -> Folding:
        if key.graph:
            return Folding(self.folded_graphs ^ {key.graph}, self.open_multi_kernels)
        return Folding(self.folded_graphs, self.open_multi_kernels ^ {key.multi_kernel})


_TONES: dict[rows.Tone, Tone] = {
    rows.Tone.GOOD: "good",
    rows.Tone.BAD: "bad",
    rows.Tone.UNSURE: "warning",
    rows.Tone.NEUTRAL: "dim",
}


def outline_rows(graphs: Iterable[rows.GraphRow], folding: Folding, marked: RowKey | None) -> list[OutlineRow]:
    """Return the visible rows, top to bottom. A group without a title (a sorted list) has no row of its own."""
    shown: list[OutlineRow] = []
    for graph in graphs:
        depth = 0
        if graph.title:
            is_open = graph.key not in folding.folded_graphs
            title = Cell(_graph_title(graph, is_open), "heading")
            shown.append(OutlineRow(RowKey(graph=graph.key), 0, (title,), True, is_open))
            if not is_open:
                continue
            depth = 1
        for row in graph.rows:
            shown.extend(_multi_kernel(row, depth, folding, marked))
    return shown


def _graph_title(graph: rows.GraphRow, is_open: bool) -> str:
    """'graph 17_inference  (3)  loses 42.1 µs per run'; an open graph's multi-kernels need no number."""
    parts = (graph.title, "" if is_open else f"({len(graph.rows)})", rows.loss_text(graph.loss_us))
    return "  ".join(part for part in parts if part)


def _multi_kernel(
    row: rows.MultiKernelRow, depth: int, folding: Folding, marked: RowKey | None
) -> Iterator[OutlineRow]:
    name = row.multi_kernel.id
    is_open = name in folding.open_multi_kernels
    cells = (
        Cell(row.title, "strong"),
        Cell(row.shape),
        Cell(row.dtype),
        *pick_cells(row),
    )
    yield OutlineRow(RowKey(multi_kernel=name), depth, cells, True, is_open)
    if is_open:
        for sub in row.sub_kernels:
            yield _sub_kernel(RowKey(multi_kernel=name, sub=sub.sub_kernel.index), sub, depth + 1, marked)


def pick_cells(row: rows.MultiKernelRow) -> tuple[Cell, ...]:
    """The verdict on the pick, and the pick itself where a person chose it or the verdict does not tell."""
    mark = Cell(str(row.mark), _TONES[row.mark.tone])
    if row.pick.state is PickState.PINNED:
        pinned = Cell(f"● {rows.pick_text(row.pick)}")
        return (mark, pinned) if mark.text else (pinned,)
    if mark.text:
        return (mark,)
    if row.record.place_reason == LOOKING:
        return (Cell("…", "dim"),)
    words = {PickState.NONE: "– no pick", PickState.UNKNOWN: "– pick unknown"}
    return (Cell(words.get(row.pick.state, rows.pick_text(row.pick)), "dim"),)


def _sub_kernel(key: RowKey, row: rows.SubKernelRow, depth: int, marked: RowKey | None) -> OutlineRow:
    note = " ".join(part for part in (row.note, "◆ marked" if key == marked else "") if part)
    cells = (
        Cell(f"{row.sub_kernel.index} {row.sub_kernel.kind.value}"),
        Cell(rows.time_text(row.time_us)),
        Cell(note, "good" if row.fastest else "plain"),
    )
    return OutlineRow(key, depth, cells)
