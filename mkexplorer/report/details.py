"""Everything known of one multi-kernel, in sections of labelled values, each with where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mkexplorer.catalog.model import (
    Argument,
    MultiKernel,
    Resources,
    SubKernel,
    TensorArgument,
    Timing,
    Wrapper,
)
from mkexplorer.measure.model import Device
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.picks.environment import EnvironmentNote
from mkexplorer.picks.model import PickState
from mkexplorer.report import titles
from mkexplorer.report.changes import Namer, history_rows
from mkexplorer.report.configurations import config_text
from mkexplorer.report.measured import Measurement
from mkexplorer.report.rows import MultiKernelRow, SubKernelRow, pick_text, time_text

if TYPE_CHECKING:
    from mkexplorer.catalog import Catalog


HISTORY = "History of the pick (UTC)"
INTERPRETER = "interpreter, not a GPU time"


@dataclass(frozen=True, slots=True)
class Entry:
    """``origin`` tells a person where the value was read; empty where it is computed from the others."""

    label: str
    value: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    entries: tuple[Entry, ...]


def details(catalog: Catalog, row: MultiKernelRow, environment: Sequence[EnvironmentNote] = ()) -> tuple[Section, ...]:
    """What it is, its pick, its sub-kernels, its arguments, the history of the pick; reads files of the place.

    ``environment`` is the book's: what keeps programs from going by the pick.
    """
    multi_kernel = row.multi_kernel
    wrapper = catalog.wrapper(multi_kernel)
    return (
        Section(titles.full_title(multi_kernel), _identity(multi_kernel, wrapper)),
        Section("Pick", tuple(_pick(row, environment))),
        *(_sub_kernel(catalog, row, sub) for sub in row.sub_kernels),
        *_arguments(multi_kernel, wrapper),
        *_history(catalog, row),
    )


def without_repeats(sections: Sequence[Section], sub_kernels: int) -> tuple[Section, ...]:
    """The same sections, with what all sub-kernels have in common moved into one section behind theirs."""
    before, subs, after = sections[:2], sections[2 : 2 + sub_kernels], sections[2 + sub_kernels :]
    if len(subs) < 2:
        return tuple(sections)
    shared = set.intersection(*({(entry.label, entry.value) for entry in section.entries} for section in subs))
    apart = (
        Section(section.title, tuple(entry for entry in section.entries if (entry.label, entry.value) not in shared))
        for section in subs
    )
    common = (Entry(entry.label, entry.value) for entry in subs[0].entries if (entry.label, entry.value) in shared)
    together = (Section("The same in all sub-kernels", tuple(common)),) if shared else ()
    return (*before, *apart, *together, *after)


def verdict_text(judgement: Judgement | None) -> str:
    """'sub-kernel 1 is FASTER than 0: 1.380× (95%: 1.373 to 1.387)'."""
    if judgement is None:
        return "not measured"
    if judgement.verdict is Verdict.FASTER:
        said = f"sub-kernel {judgement.best} is FASTER than {judgement.rival}"
    else:
        said = f"sub-kernels {judgement.best} and {judgement.rival}: {judgement.verdict.value}"
    return f"{said}: {judgement.ratio:.3f}× (95%: {judgement.low:.3f} to {judgement.high:.3f})"


def timing_text(timing: Timing) -> str:
    """'31.1 µs [31.0, 31.3] n=40': median and quartiles."""
    return f"{time_text(timing.median_us)} [{timing.q1_us:.4g}, {timing.q3_us:.4g}] n={timing.n}"


def argument_text(argument: Argument) -> str:
    """'bf16 4096×4096, stride 4096, 1' or the number."""
    if not isinstance(argument, TensorArgument):
        return str(argument.value)
    dtype = titles.dtype_of(argument.dtype) if argument.dtype is not None else "dtype not known,"
    shape = titles.shape_of(argument.shape) if argument.shape is not None else "shape not known"
    stride = f", stride {', '.join(map(str, argument.stride))}" if argument.stride else ""
    offset = f", offset {argument.offset}" if argument.offset else ""
    return f"{dtype} {shape}{stride}{offset}"


def _identity(multi_kernel: MultiKernel, wrapper: Wrapper) -> tuple[Entry, ...]:
    here = _at(wrapper, multi_kernel.definition.first)
    entries = [
        Entry("id", multi_kernel.id, "wrapper's key and name"),
        Entry("chosen by", _CHOICE[multi_kernel.kind.value], here),
    ]
    if multi_kernel.graph is not None:
        phase = f" ({multi_kernel.graph.phase})" if multi_kernel.graph.phase else ""
        entries.append(Entry("graph", f"{multi_kernel.graph.aot_id}{phase}", "AOT ID comment"))
    if multi_kernel.operations:
        entries.append(Entry("operations", ", ".join(multi_kernel.operations), "comment above the kernels"))
    if multi_kernel.source_nodes:
        entries.append(Entry("source nodes", ", ".join(multi_kernel.source_nodes), "comment above the kernels"))
    entries.append(Entry("wrapper", here))
    entries.append(Entry("written by", wrapper.written_by, "the form of the wrapper"))
    lines = ", ".join(str(call.line) for call in multi_kernel.calls)
    entries.append(Entry("called in line", lines or "never called here", wrapper.origin.path))
    return tuple(entries)


_CHOICE = {"multi_kernel": "timing at the first call", "size_hint_multi_kernel": "distance to the size hints"}


def _pick(row: MultiKernelRow, environment: Sequence[EnvironmentNote]) -> Iterator[Entry]:
    pick, record = row.pick, row.record
    yield Entry("state", pick_text(pick), pick.reason)
    for note in environment:
        yield Entry("but" if not note.picks_count else "note", note.effect, f"{note.variable}={note.value}")
    if record.written and record.set_by is None and pick.state is PickState.PICKED:
        yield Entry("set by", f"torch, {record.written[:16].replace('T', ' ')} UTC", "date of the file")
    if pick.path is not None:
        yield Entry("file", pick.path, record.place_reason)
    yield Entry("verdict", verdict_text(row.judgement))
    if row.judgement is not None and row.judgement.regret is not None:
        yield Entry("regret", f"{row.judgement.regret:.1%}", "median of the picked ÷ median of the best - 1")
    if row.loss_us:
        calls = len(row.multi_kernel.calls)
        origin = "what the pick takes longer than the best" + (f", {calls} calls" if calls > 1 else "")
        yield Entry("lost per run", time_text(row.loss_us), origin)
    if row.measurement is not None:
        found = row.measurement
        if found.when is not None:
            yield Entry("measured", when_and_who(found), found.knowledge.value)
        machine = (("GPU", found.machine.gpu), ("torch", found.machine.torch), ("triton", found.machine.triton))
        yield from (Entry(label, value) for label, value in machine if value is not None)


def when_and_who(found: Measurement) -> str:
    """'2026-01-31 12:00 UTC, me@host'."""
    when = f"{found.when[:16].replace('T', ' ')} UTC" if found.when else ""
    return ", ".join(part for part in (when, found.who) if part)


def _history(catalog: Catalog, row: MultiKernelRow) -> Iterator[Section]:
    history = row.record.file.history
    if not history.changes and not history.problems:
        return
    entries = [
        Entry(
            each.when, f"{each.before} → {each.after}", ", ".join(filter(None, (each.who, each.note, each.entry.why)))
        )
        for each in history_rows(Namer(catalog), [row.record.file])
    ]
    entries += [Entry("damaged", problem, "its history") for problem in history.problems]
    yield Section(HISTORY, tuple(entries))


def _sub_kernel(catalog: Catalog, row: MultiKernelRow, sub_row: SubKernelRow) -> Section:
    sub = sub_row.sub_kernel
    note = f" ({sub_row.note})" if sub_row.note else ""
    entries = [Entry("name", sub.name)]
    if sub.size_key is not None:
        entries.append(Entry("for sizes", sub.size_key, "key of the definition"))
    path = catalog.kernel_path(sub)
    entries.append(Entry("kernel file", path or sub.kernel_file, "" if path else "not in this place"))
    if row.measurement is not None:
        entries.extend(measured_entries(row.measurement, sub.index))
    for config in catalog.configs(sub):
        won = "configuration (won)" if config.won else "configuration"
        entries.append(Entry(won, config_text(config), config.folder if config.won is False else config.won_reason))
    entries.extend(_decorated(catalog, row.multi_kernel, sub))
    return Section(f"Sub-kernel {sub.index}: {sub.kind.value}{note}", tuple(entries))


def measured_entries(found: Measurement, index: int) -> Iterator[Entry]:
    """What is known of one sub-kernel because somebody measured it."""
    measured = found.sub_kernels[index]
    if measured.cold is not None and found.device is Device.INTERPRETER:
        yield Entry("time", time_text(measured.cold.median_us), INTERPRETER)
    elif measured.cold is not None:
        yield Entry("time, cold L2", timing_text(measured.cold), "median [quartiles]")
        if bandwidth := bandwidth_text(measured.cold, found):
            yield Entry("bandwidth", bandwidth, "cold L2; bytes of the arguments, each read or written once")
    if measured.hot is not None:
        yield Entry("time, hot L2", timing_text(measured.hot), "median [quartiles]")
    if measured.stock_us is not None:
        yield Entry("torch's reading", time_text(measured.stock_us), "host time included")
    if measured.resources is not None:
        yield from _resources(measured.resources)
    if measured.agrees is not None:
        yield Entry("computes the same", "yes" if measured.agrees else f"✗ no: {measured.problem}".removesuffix(": "))
    elif measured.problem:
        yield Entry("problem", measured.problem)


def bandwidth_text(timing: Timing, found: Measurement) -> str:
    """'2310 GB/s, 83% of copy'; '' where nobody knows how many bytes were moved."""
    if not found.measured.bytes_moved or timing.median_us <= 0 or found.device is not Device.CUDA:
        return ""
    achieved = found.measured.bytes_moved / timing.median_us / 1000
    copy = found.measured.copy_gb_per_s
    return f"{_gb_per_s(achieved)}, {achieved / copy:.0%} of copy" if copy and copy > 0 else _gb_per_s(achieved)


def _gb_per_s(value: float) -> str:
    return f"{value:.0f} GB/s" if value >= 99.5 else f"{value:.3g} GB/s"


def _resources(found: Resources) -> Iterator[Entry]:
    """Each by itself: in columns they would not fit, and often only one of them differs."""
    numbers = (("registers", found.registers), ("spills", found.spills), ("bytes shared", found.shared_bytes))
    yield from (Entry(label, str(number)) for label, number in numbers if number is not None)


def resources_text(found: Resources) -> str:
    """'32 registers, 0 spills, 1024 bytes shared'; what is not known is left out."""
    parts = ((found.registers, "registers"), (found.spills, "spills"), (found.shared_bytes, "bytes shared"))
    return ", ".join(f"{number} {word}" for number, word in parts if number is not None)


def _decorated(catalog: Catalog, multi_kernel: MultiKernel, sub: SubKernel) -> Iterator[Entry]:
    metadata = catalog.metadata(multi_kernel, sub)
    origin = f"@{metadata.decorator}" if metadata.decorator else "no decorator was found"
    values = (
        ("size hints", ", ".join(f"{name} {size}" for name, size in metadata.size_hints)),
        ("reduction hint", metadata.reduction_hint),
        ("signature", ", ".join(f"{name}: {kind}" for name, kind in metadata.signature)),
        ("loads", metadata.loads),
        ("stores", metadata.stores),
        ("reductions", metadata.reductions),
        ("changed in place", ", ".join(metadata.mutated)),
        ("persistent", metadata.persistent),
        ("grid", metadata.grid_type),
        ("device", ", ".join(f"{name} {value}" for name, value in metadata.device)),
        *metadata.other,
    )
    return (Entry(label, str(value), origin) for label, value in values if value is not None and value != "")


def _arguments(multi_kernel: MultiKernel, wrapper: Wrapper) -> Iterator[Section]:
    """One section for each different list of arguments."""
    seen: dict[tuple[Argument, ...], list[int]] = {}
    for call in multi_kernel.calls:
        seen.setdefault(call.arguments, []).append(call.line)
    for arguments, lines in seen.items():
        entries = tuple(
            Entry(
                f"{argument.name} = {argument.expression}",
                argument_text(argument),
                argument.origin if isinstance(argument, TensorArgument) else "",
            )
            for argument in arguments
        )
        yield Section(f"Arguments of the call in {_at(wrapper, *lines)}", entries)


def _at(wrapper: Wrapper, *lines: int) -> str:
    text = f" (text {wrapper.origin.ordinal})" if wrapper.origin.ordinal is not None else ""
    return f"{wrapper.origin.path}{text}:{','.join(map(str, lines))}"
