"""The list as data: graphs, their multi-kernels, their sub-kernels, with what each row says.

Screen and command line both show exactly this; filtering, sorting and counting are here so that they agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mkexplorer.catalog.model import Evidence, Graph, MultiKernel, Origin, SubKernel, Timing, Wrapper
from mkexplorer.measure.model import BenchResult
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.picks.book import PickBook, PickRecord, recorded, recorded_book
from mkexplorer.picks.model import Pick, PickState
from mkexplorer.report import titles
from mkexplorer.report.measured import Measurement, newest

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog


class Tone(StrEnum):
    """How a mark is coloured; sign and word say the same without colour."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict on a pick, as a sign and a word: ``⚠ +38%``."""

    sign: str
    word: str
    tone: Tone

    def __str__(self) -> str:
        return f"{self.sign} {self.word}".strip()


@dataclass(frozen=True, slots=True)
class SubKernelRow:
    """``timing`` is the one with a cold L2, None where it was not measured. ``picked`` is true of a pinned one too.

    One that ``disagrees`` computes something else than it should, and is never the fastest.
    """

    sub_kernel: SubKernel
    timing: Timing | None
    picked: bool
    fastest: bool
    pinned: bool = False
    disagrees: bool = False

    @property
    def time_us(self) -> float | None:
        return self.timing.median_us if self.timing is not None else None

    @property
    def note(self) -> str:
        """'● picked' or '● pinned', 'fastest', '✗ disagrees', or nothing."""
        picked = "● pinned" if self.pinned else "● picked"
        said = ((picked, self.picked), ("fastest", self.fastest), ("✗ disagrees", self.disagrees))
        return " ".join(text for text, holds in said if holds)


@dataclass(frozen=True, slots=True)
class MultiKernelRow:
    """``measurement`` is the newest that is known; its judgement is the one of the row."""

    multi_kernel: MultiKernel
    title: str
    shape: str
    dtype: str
    mark: Mark
    record: PickRecord
    measurement: Measurement | None
    sub_kernels: tuple[SubKernelRow, ...]

    @property
    def pick(self) -> Pick:
        return self.record.pick

    @property
    def judgement(self) -> Judgement | None:
        return self.measurement.judgement if self.measurement is not None else None

    @property
    def loss_us(self) -> float:
        """What the pick costs in each run of the graph, all calls together; 0 unless another one is surely faster."""
        return self.call_loss_us * len(self.multi_kernel.calls)

    @property
    def call_loss_us(self) -> float:
        """What the pick costs at each call; 0 unless another one is surely faster."""
        judgement, index = self.judgement, self.pick.index
        if judgement is None or index is None or not judgement.pick_is_slower:
            return 0.0
        best, picked = (self.sub_kernels[each].time_us for each in (judgement.best, index))
        return max(0.0, picked - best) if picked is not None and best is not None else 0.0

    @property
    def winner(self) -> int | None:
        """The sub-kernel that is surely faster than the pick, or the surely fastest where nothing is picked."""
        judgement = self.judgement
        if judgement is None or judgement.verdict is not Verdict.FASTER or judgement.best == self.pick.index:
            return None
        return judgement.best


@dataclass(frozen=True, slots=True)
class GraphRow:
    """One wrapper's multi-kernels. ``key`` is the wrapper's, so a refresh finds the row again; ``path`` its file's."""

    key: str
    title: str
    rows: tuple[MultiKernelRow, ...]
    path: str = ""

    @property
    def loss_us(self) -> float:
        """What the picks cost in each run of the graph."""
        return sum(row.loss_us for row in self.rows)


@dataclass(frozen=True, slots=True)
class Counts:
    """``slower``: another sub-kernel is surely faster than the pick. ``unsure``: measured, but not clear.

    ``picks`` has how many picks are in each state, ``loss_us`` what they cost when each graph runs once.
    """

    multi_kernels: int
    sub_kernels: int
    slower: int
    unsure: int
    picks: Mapping[PickState, int]
    loss_us: float = 0.0


class Order(StrEnum):
    GRAPH = "graph"
    OPERATION = "operation"
    SIZE = "size"
    TIME = "time"
    REGRET = "regret"
    LOSS = "loss"


def graph_rows(
    catalog: Catalog, book: PickBook | None = None, results: Mapping[str, BenchResult] | None = None
) -> tuple[GraphRow, ...]:
    """All rows of a catalog, in its order; without a ``book`` with the picks that the place itself records.

    ``results`` are those of this session, by the multi-kernels' ids.
    """
    measured = results or {}
    picks = book or recorded_book(catalog)
    groups: dict[str, list[MultiKernelRow]] = {}
    wrappers: dict[str, Wrapper] = {}
    for multi_kernel in catalog.multi_kernels:
        evidence, record = catalog.evidence(multi_kernel), picks.of(multi_kernel)
        row = multi_kernel_row(multi_kernel, evidence, record, measured.get(multi_kernel.id))
        groups.setdefault(multi_kernel.wrapper_key, []).append(row)
        wrappers[multi_kernel.wrapper_key] = catalog.wrapper(multi_kernel)
    return tuple(
        GraphRow(key, _graph_title(rows[0].multi_kernel, wrappers[key].origin), tuple(rows), wrappers[key].origin.path)
        for key, rows in groups.items()
    )


def multi_kernel_row(
    multi_kernel: MultiKernel,
    evidence: Evidence | None,
    record: PickRecord | None = None,
    result: BenchResult | None = None,
) -> MultiKernelRow:
    """Without a ``record`` the pick is the one that ``evidence`` tells of; ``result`` is that of this session."""
    record = record or recorded(multi_kernel, evidence)
    return measured_row(multi_kernel, record, newest(multi_kernel, evidence, record, result))


def measured_row(multi_kernel: MultiKernel, record: PickRecord, measurement: Measurement | None) -> MultiKernelRow:
    """The row as this measurement alone has it."""
    return MultiKernelRow(
        multi_kernel,
        titles.title(multi_kernel),
        titles.shape_text(multi_kernel),
        titles.dtype_text(multi_kernel),
        mark_of(record.pick, measurement),
        record,
        measurement,
        tuple(_sub_kernel_row(sub, record.pick, measurement) for sub in multi_kernel.sub_kernels),
    )


def mark_of(pick: Pick, measurement: Measurement | None) -> Mark:
    """What to say of a pick in a few cells."""
    if pick.state is PickState.INVALID:
        return Mark("✗", "invalid pick", Tone.BAD)
    if measurement is not None and measurement.disagreeing:
        return Mark("✗", "disagrees", Tone.BAD)
    judgement = measurement.judgement if measurement is not None else None
    if judgement is None:
        return Mark("", "", Tone.NEUTRAL)
    if judgement.regret is None:
        word = "pick unknown" if pick.state is PickState.UNKNOWN else "no pick"
        return Mark("–", word, Tone.NEUTRAL)
    if judgement.verdict is Verdict.FASTER:
        if judgement.pick_is_slower:
            return Mark("⚠", f"+{judgement.regret:.0%}", Tone.BAD)
        return Mark("✓", "fastest", Tone.GOOD)
    if judgement.verdict is Verdict.SAME:
        return Mark("=", Verdict.SAME.value, Tone.GOOD)
    return Mark("?", Verdict.UNSURE.value, Tone.UNSURE)


def pick_text(pick: Pick) -> str:
    """'picked 0', 'pinned 1', 'none', 'invalid', 'unknown'."""
    return pick.state.value if pick.index is None else f"{pick.state.value} {pick.index}"


def unknown_picks(graphs: Iterable[GraphRow]) -> Iterator[str]:
    """'3 picks are not known: why', one for each reason."""
    reasons = Counter(row.pick.reason for graph in graphs for row in graph.rows if row.pick.state is PickState.UNKNOWN)
    for reason, count in reasons.items():
        yield f"{count} {'pick is' if count == 1 else 'picks are'} not known: {reason}"


def time_text(time_us: float | None) -> str:
    """'31.1 µs', '2.43 µs', '1.84 ms': three digits."""
    if time_us is None:
        return ""
    value, unit = (time_us / 1000, "ms") if time_us >= 999.5 else (time_us, "µs")
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def count(graphs: Iterable[GraphRow]) -> Counts:
    rows = [row for graph in graphs for row in graph.rows]
    return Counts(
        len(rows),
        sum(len(row.sub_kernels) for row in rows),
        sum(row.judgement is not None and row.judgement.pick_is_slower for row in rows),
        sum(row.judgement is not None and row.judgement.verdict is Verdict.UNSURE for row in rows),
        Counter(row.pick.state for row in rows),
        sum(row.loss_us for row in rows),
    )


def counts_text(counts: Counts) -> str:
    """'41 multi-kernels · 11 slower than they could be · 1 invalid pick'."""
    noun = "multi-kernel" if counts.multi_kernels == 1 else "multi-kernels"
    parts = [f"{counts.multi_kernels} {noun}"]
    if counts.slower:
        parts.append(f"{counts.slower} slower than {'it' if counts.slower == 1 else 'they'} could be")
    if invalid := counts.picks.get(PickState.INVALID, 0):
        parts.append(f"{invalid} invalid {'pick' if invalid == 1 else 'picks'}")
    return " · ".join(parts)


def loss_text(loss_us: float) -> str:
    """'loses 42.1 µs per run', of a graph or of all; '' where nothing is lost."""
    return f"loses {time_text(loss_us)} per run" if loss_us else ""


def machine_text(catalog: Catalog) -> str:
    """'torch 2.11.0 · NVIDIA H100 80GB HBM3', as recorded; empty where nothing is."""
    for multi_kernel in catalog.multi_kernels:
        evidence = catalog.evidence(multi_kernel)
        if evidence is not None:
            torch = f"torch {evidence.torch.partition('+')[0]}" if evidence.torch else None
            return " · ".join(part for part in (torch, evidence.gpu) if part)
    return ""


def filter_rows(graphs: Iterable[GraphRow], query: str) -> tuple[GraphRow, ...]:
    """The rows that hold every word of ``query``; graphs without any are left out.

    A word may stand anywhere in the operation, shape ('4096x' finds '4096×'), dtype, kinds, names, id, graph, wrapper's
    path, source nodes and kernel files; in operation, shape and dtype its letters may also lie apart ('lnorm').
    """
    words = _plain(query).split()
    if not words:
        return tuple(graphs)
    kept = (replace(graph, rows=tuple(row for row in graph.rows if _holds(row, graph.path, words))) for graph in graphs)
    return tuple(graph for graph in kept if graph.rows)


def sort_rows(graphs: Sequence[GraphRow], order: Order) -> tuple[GraphRow, ...]:
    """Any order but the graphs' own makes one group without a title of all rows; equal ones keep their order."""
    if order is Order.GRAPH:
        return tuple(graphs)
    rows = sorted((row for graph in graphs for row in graph.rows), key=_SORT_KEYS[order])
    return (GraphRow("", "", tuple(rows)),) if rows else ()


def _regret(row: MultiKernelRow) -> float:
    regret = row.judgement.regret if row.judgement is not None else None
    return -1.0 if regret is None else regret


def _time(row: MultiKernelRow) -> float:
    times = [sub.time_us for sub in row.sub_kernels if sub.time_us is not None and (sub.picked or sub.fastest)]
    return max(times, default=-1.0)


_SORT_KEYS: dict[Order, Callable[[MultiKernelRow], float | str]] = {
    Order.OPERATION: lambda row: row.title,
    Order.SIZE: lambda row: -titles.element_count(row.multi_kernel),
    Order.TIME: lambda row: -_time(row),
    Order.REGRET: lambda row: -_regret(row),
    Order.LOSS: lambda row: -row.loss_us,
}


def _sub_kernel_row(sub: SubKernel, pick: Pick, measurement: Measurement | None) -> SubKernelRow:
    is_picked = pick.index == sub.index
    is_pinned = is_picked and pick.state is PickState.PINNED
    if measurement is None:
        return SubKernelRow(sub, None, is_picked, fastest=False, pinned=is_pinned)
    judgement = measurement.judgement
    # Where the verdict is SAME or UNSURE nothing is called the fastest.
    won = judgement is not None and judgement.verdict is Verdict.FASTER and judgement.best == sub.index
    disagrees = sub.index in measurement.disagreeing
    return SubKernelRow(sub, measurement.timings[sub.index], is_picked, won, is_pinned, disagrees)


def _graph_title(multi_kernel: MultiKernel, origin: Origin) -> str:
    """A graph's number; without one the name that a person gave the wrapper's file, or else its key."""
    graph: Graph | None = multi_kernel.graph
    if graph is not None:
        return f"graph {graph.aot_id}"
    name = PurePosixPath(origin.path)
    if origin.ordinal is None and name.name and name.stem != multi_kernel.wrapper_key:
        return name.name
    return f"wrapper {multi_kernel.id.partition('/')[0]}"


def _holds(row: MultiKernelRow, path: str, words: list[str]) -> bool:
    spoken = _plain(f"{row.title} {row.shape} {row.dtype}").split()
    multi_kernel = row.multi_kernel
    everything = _plain(
        "\n".join(
            (
                f"{row.title} {row.shape} {row.dtype} {row.mark} {row.pick.state.value}",
                "slower" if row.judgement is not None and row.judgement.pick_is_slower else "",
                multi_kernel.id,
                multi_kernel.wrapper_key,
                path,
                multi_kernel.graph.aot_id if multi_kernel.graph is not None else "",
                *multi_kernel.operations,
                *multi_kernel.source_nodes,
                *(f"{sub.name} {sub.kind.value} {sub.kernel_file}" for sub in multi_kernel.sub_kernels),
            )
        )
    )
    return all(word in everything or any(_letters_in_order(word, part) for part in spoken) for word in words)


def _plain(text: str) -> str:
    return text.casefold().replace("×", "x")


def _letters_in_order(letters: str, text: str) -> bool:
    """The first letter must be the text's own, so that 'sum' does not find every 'softmax'-like word."""
    if not text.startswith(letters[0]):
        return False
    rest = iter(text)
    return all(letter in rest for letter in letters)
