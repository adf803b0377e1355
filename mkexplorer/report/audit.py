"""What the picks of a place cost: each pick judged, the costliest first, and all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.measure.verdict import Verdict
from mkexplorer.picks.plans import Winner
from mkexplorer.report.bench_text import verdict_sentence
from mkexplorer.report.rows import GraphRow, MultiKernelRow

DEFAULT_LIMIT = 0.05
"""A regret that is told from noise at once, whatever the kernel; see `mkexplorer.race`."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One pick. ``is_above``: its regret is surely above the limit; ``is_wrong``: it computes something else."""

    row: MultiKernelRow
    is_above: bool
    is_wrong: bool

    @property
    def is_bad(self) -> bool:
        return self.is_above or self.is_wrong


@dataclass(frozen=True, slots=True)
class Audit:
    """``rows`` are of the known picks, the costliest first; ``limit`` is a regret."""

    rows: tuple[AuditRow, ...]
    limit: float

    @property
    def bad(self) -> int:
        return sum(each.is_bad for each in self.rows)

    @property
    def slower(self) -> int:
        return sum(_is_slower(each.row) for each in self.rows)

    @property
    def unsure(self) -> int:
        judgements = (each.row.judgement for each in self.rows)
        return sum(each is not None and each.verdict is Verdict.UNSURE for each in judgements)

    @property
    def unjudged(self) -> int:
        """Those of which nothing is known; that there is nothing right to compare a pick with is known."""
        return sum(each.row.judgement is None and not _has_disagreement(each.row) for each in self.rows)

    @property
    def loss_us(self) -> float:
        """What the picks cost when each graph runs once."""
        return sum(each.row.loss_us for each in self.rows)

    @property
    def regret(self) -> float | None:
        """The time of all judged picks when each graph runs once ÷ what it could be - 1; None where none is judged."""
        timed = (each.row for each in self.rows if each.row.judgement is not None)
        spent = sum(_picked_us(row) * len(row.multi_kernel.calls) for row in timed)
        return self.loss_us / (spent - self.loss_us) if spent > self.loss_us else None


def audit(graphs: Iterable[GraphRow], limit: float = DEFAULT_LIMIT) -> Audit:
    """Judges every pick that is known. What was measured and casts doubt on itself is judged all the same."""
    known = (row for graph in graphs for row in graph.rows if row.pick.index is not None)
    judged = (AuditRow(row, _is_above(row, limit), _is_wrong(row)) for row in known)
    return Audit(tuple(sorted(judged, key=_costliest_first)), limit)


def winners(found: Audit) -> tuple[Winner, ...]:
    """What to pin instead of the picks that are surely slower, the costliest first.

    Nothing for what disagrees, because then nobody knows which one is right, nor for what was measured in doubt, nor
    where multi-kernels that share a pick file want different sub-kernels in it.
    """
    fastest: dict[str, set[int]] = {}
    for each in found.rows:
        judgement = each.row.judgement
        if judgement is not None and judgement.verdict is Verdict.FASTER:
            fastest.setdefault(_file_of(each.row), set()).add(judgement.best)
    clear = (each.row for each in found.rows if len(fastest.get(_file_of(each.row), ())) == 1)
    return tuple(winner for row in clear if (winner := _winner(row)))


def _file_of(row: MultiKernelRow) -> str:
    return row.record.file.path or row.multi_kernel.id


def limit_of(text: str) -> float:
    """A regret of '5%' or '0.05'. Raises `MkexplorerError` for what is neither."""
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / 100 if percent else float(number)
    except ValueError:
        value = -1.0
    if rest or not 0 <= value < (100 if percent else 1):
        raise MkexplorerError(f"{text!r} is no share", "Write it like 5% or 0.05.")
    return value


def percent_text(share: float) -> str:
    """'5%', '0.5%'."""
    return f"{share * 100:.3g}%"


def counts_text(found: Audit) -> str:
    """'41 picks: 11 slower than they could be, 3 by more than 5%, 5 not sure, 1 without a verdict'."""
    one = len(found.rows) == 1
    above, wrong = sum(each.is_above for each in found.rows), sum(each.is_wrong for each in found.rows)
    fine = "" if found.unjudged == len(found.rows) else "none is surely too slow"
    parts = (
        f"{found.slower} slower than {'it' if one else 'they'} could be" if found.slower else fine,
        f"{above} by more than {percent_text(found.limit)}" if above else "",
        f"{wrong} computing something else" if wrong else "",
        f"{found.unsure} not sure" if found.unsure else "",
        f"{found.unjudged} without a verdict" if found.unjudged else "",
    )
    return f"{len(found.rows)} {'pick' if one else 'picks'}: {', '.join(part for part in parts if part)}"


def _winner(row: MultiKernelRow) -> Winner | None:
    found, index = row.measurement, row.winner
    if found is None or index is None or found.doubt or found.disagreeing:
        return None
    why = f"audit: {verdict_sentence(row.multi_kernel, found)}"
    return Winner(row.multi_kernel, index, found.evidence, why, found.machine)


def _is_slower(row: MultiKernelRow) -> bool:
    return row.judgement is not None and row.judgement.pick_is_slower


def _is_above(row: MultiKernelRow, limit: float) -> bool:
    regret = row.judgement.regret if row.judgement is not None else None
    return _is_slower(row) and regret is not None and regret > limit


def _has_disagreement(row: MultiKernelRow) -> bool:
    return row.measurement is not None and bool(row.measurement.disagreeing)


def _is_wrong(row: MultiKernelRow) -> bool:
    return row.measurement is not None and row.pick.index in row.measurement.disagreeing


def _picked_us(row: MultiKernelRow) -> float:
    times: Sequence[float | None] = [sub.time_us for sub in row.sub_kernels if sub.picked]
    return times[0] or 0.0 if times else 0.0


def _costliest_first(each: AuditRow) -> tuple[float, float, float]:
    regret = each.row.judgement.regret if each.row.judgement is not None else None
    return (-each.row.loss_us, -float(each.is_bad), -(regret or 0.0))
