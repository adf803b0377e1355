"""What the command line prints of measurements: one multi-kernel after the other, and the table of an audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mkexplorer.measure.model import Device
from mkexplorer.measure.resources import ResourceReport
from mkexplorer.report import titles
from mkexplorer.report.as_text import TONES, Ansi, Cell, Look, columns, one_line
from mkexplorer.report.audit import Audit, AuditRow, counts_text, percent_text
from mkexplorer.report.bench_text import agreement_text, arguments_text, verdict_sentence
from mkexplorer.report.details import INTERPRETER, bandwidth_text, resources_text, timing_text
from mkexplorer.report.measured import Measurement
from mkexplorer.report.rows import MultiKernelRow, SubKernelRow, loss_text, pick_text, time_text

_SUB_HEADINGS = ("SUB-KERNEL", "COLD L2", "HOT L2", "BANDWIDTH", "TORCH'S READING", "RESOURCES", "")
_INTERPRETED_HEADINGS = (_SUB_HEADINGS[0], INTERPRETER.upper(), *_SUB_HEADINGS[2:])
_AUDIT_HEADINGS = (
    "ID",
    "OPERATION",
    "SHAPE",
    "DTYPE",
    "VERDICT",
    "PICK",
    "BEST",
    "LOST A CALL",
    "CALLS",
    "LOST PER RUN",
)
_RESOURCE_HEADINGS = ("SUB-KERNEL", "REGISTERS", "SPILLS", "SHARED", "OCCUPANCY", "CONFIGURATION", "")


def benched(row: MultiKernelRow, look: Look) -> Iterator[str]:
    """Name, verdict, a line for each sub-kernel, and what it all rests on; an empty line behind it."""
    found = row.measurement
    assert found is not None
    name = f"{row.multi_kernel.id} {titles.full_title(row.multi_kernel)}"
    tone = TONES.get(row.mark.tone)
    yield look.paint(one_line(name), Ansi.CYAN)
    yield f"  {look.paint(one_line(verdict_sentence(row.multi_kernel, found)), *([tone] if tone else []))}"
    rows = [_sub_cells(sub, found) for sub in row.sub_kernels]
    headings = _SUB_HEADINGS if found.device is Device.CUDA else _INTERPRETED_HEADINGS
    yield from (f"  {line}" for line in columns(headings, rows, look))
    yield from (f"  {look.paint(one_line(line), Ansi.DIM)}" for line in _rests_on(row, found))
    yield from (f"  {look.paint(one_line(f'⚠ {line}'), Ansi.YELLOW)}" for line in _doubts(found))
    yield ""


def machine(found: Measurement) -> str:
    """'NVIDIA H100 80GB HBM3, driver 580.65 · torch 2.11.0 · triton 3.6.0 · 1980 MHz · copies 2800 GB/s'."""
    told, measured = found.machine, found.measured
    gpu = f"{told.gpu}, driver {told.driver}" if told.gpu and told.driver else told.gpu
    parts = (
        gpu if found.device is Device.CUDA else "Triton's interpreter on the CPU",
        f"torch {told.torch}" if told.torch else "",
        f"triton {told.triton}" if told.triton else "",
        f"{measured.sm_clock_mhz:.0f} MHz" if measured.sm_clock_mhz else "",
        f"copies {measured.copy_gb_per_s:.0f} GB/s" if measured.copy_gb_per_s else "",
    )
    return one_line(" · ".join(part for part in parts if part))


def audited(found: Audit, look: Look) -> Iterator[str]:
    """The picks, the costliest first, and what they cost together."""
    yield from columns(_AUDIT_HEADINGS, [_audit_cells(each) for each in found.rows], look)
    if found.rows:
        yield ""
    regret = f"total regret {percent_text(found.regret)}" if found.regret is not None else ""
    yield " · ".join(part for part in (counts_text(found), loss_text(found.loss_us), regret) if part)


def resources(row: MultiKernelRow, reports: Sequence[ResourceReport], look: Look) -> Iterator[str]:
    """What an offline compile tells, a line for each sub-kernel."""
    cells = [
        _resource_cells(f"{sub.sub_kernel.index} {sub.sub_kernel.kind.value}", report)
        for sub, report in zip(row.sub_kernels, reports, strict=True)
    ]
    yield from columns(_RESOURCE_HEADINGS, cells, look)


def _sub_cells(sub: SubKernelRow, found: Measurement) -> list[Cell]:
    result = found.sub_kernels[sub.sub_kernel.index]
    cold, is_gpu = result.cold, found.device is Device.CUDA
    time = "" if cold is None else timing_text(cold) if is_gpu else time_text(cold.median_us)
    problem = "" if result.agrees is False else result.problem
    return [
        Cell(f"{sub.sub_kernel.index} {sub.sub_kernel.kind.value}"),
        Cell(time),
        Cell(time_text(result.hot.median_us) if result.hot and is_gpu else ""),
        Cell(bandwidth_text(cold, found) if cold else ""),
        Cell(time_text(result.stock_us)),
        Cell(resources_text(result.resources) if result.resources else ""),
        Cell(
            one_line(", ".join(part for part in (sub.note, problem) if part)),
            (Ansi.RED,) if sub.disagrees or problem else (Ansi.GREEN,) if sub.fastest else (),
        ),
    ]


def _rests_on(row: MultiKernelRow, found: Measurement) -> Iterator[str]:
    arguments = arguments_text(found)
    yield " · ".join(
        part
        for part in (agreement_text(row.multi_kernel, found), f"arguments: {arguments}" if arguments else "")
        if part
    )
    yield from (note for note in found.measured.notes if note != INTERPRETER)


def _doubts(found: Measurement) -> Iterator[str]:
    if found.measured.throttled:
        yield f"the GPU was slowed down: {', '.join(found.measured.throttled)}"
    if found.doubt and found.device is Device.CUDA:
        yield found.doubt


def _audit_cells(each: AuditRow) -> list[Cell]:
    row, calls = each.row, len(each.row.multi_kernel.calls)
    tone = TONES.get(row.mark.tone)
    winner = row.multi_kernel.sub_kernels[row.winner] if row.winner is not None else None
    return [
        Cell(one_line(row.multi_kernel.id), (Ansi.CYAN,)),
        Cell(one_line(row.title)),
        Cell(one_line(row.shape)),
        Cell(one_line(row.dtype)),
        Cell(str(row.mark) or "– not measured", (tone,) if tone else ()),
        Cell(f"{pick_text(row.pick)} {row.multi_kernel.sub_kernels[row.pick.index or 0].kind.value}"),
        Cell(f"{winner.index} {winner.kind.value}" if winner else ""),
        Cell(time_text(row.call_loss_us) if row.call_loss_us else ""),
        Cell(f"× {calls}" if row.call_loss_us and calls != 1 else ""),
        Cell(time_text(row.loss_us) if row.loss_us else "", (Ansi.BOLD,) if each.is_bad else ()),
    ]


def _resource_cells(name: str, report: ResourceReport) -> list[Cell]:
    taken = report.resources
    numbers = (taken.registers, taken.spills, taken.shared_bytes) if taken else (None, None, None)
    registers, spills, shared = ("" if number is None else str(number) for number in numbers)
    return [
        Cell(name),
        Cell(registers),
        Cell(spills),
        Cell(f"{shared} B" if shared else ""),
        Cell("" if report.occupancy is None else f"{report.occupancy:.0%}"),
        Cell(one_line(", ".join(f"{key} {value}" for key, value in report.configuration))),
        Cell(one_line(report.problem), (Ansi.RED,)),
    ]
