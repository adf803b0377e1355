"""What the Benchmark tab shows of one multi-kernel: a pure function of what is known and what goes on.

Text from the place or from a worker is shown, never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from textual.content import Content

from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import Timing
from mkexplorer.measure.model import Device, Progress
from mkexplorer.picks.changes import full_id
from mkexplorer.report import bench_text
from mkexplorer.report.details import Entry, Section, when_and_who
from mkexplorer.report.measured import Knowledge, Measurement
from mkexplorer.report.rows import MultiKernelRow, SubKernelRow, Tone, time_text
from mkexplorer.tui.bench_outlook import PROBLEM
from mkexplorer.tui.bench_state import BenchState
from mkexplorer.tui.section_text import MUTED, Line, columns, heading, one_line, section_lines, sub_title
from mkexplorer_widgets import interval_bars
from mkexplorer_widgets.histogram import Series
from mkexplorer_widgets.interval_bars import Bar

INTERPRETED = "run by Triton's interpreter"
NO_GPU_TIME = "no GPU time"
_COLOURS = {
    Tone.GOOD: "$text-success",
    Tone.BAD: "$text-error",
    Tone.UNSURE: "$text-warning",
    Tone.NEUTRAL: "$foreground",
}
_FEWEST_FOR_QUARTILES = 4


@dataclass(frozen=True, slots=True)
class BenchView:
    """``headline`` says what is so, or what goes on; ``told`` how that is known and what can be done.

    ``bars`` and ``series`` may be empty. What is drawn while a race runs is ``live``: no verdict goes with it yet.
    """

    row: MultiKernelRow
    headline: Content
    told: tuple[str, ...]
    failure: MkexplorerError | None
    bars: tuple[Bar, ...]
    series: tuple[Series, ...]
    live: bool
    outlook: tuple[str, ...] = ()


def view_of(row: MultiKernelRow, state: BenchState) -> BenchView:
    """What there is to show of ``row`` now: the race that runs, or else the newest that is known."""
    name = full_id(row.multi_kernel)
    progress, result = state.progress.get(name), state.results.get(name)
    samples: Sequence[Sequence[float]] = ()
    if progress is not None and any(progress.samples_us):
        samples = progress.samples_us
        bars = [_live_bar(sub, each) for sub, each in zip(row.sub_kernels, samples, strict=False)]
    else:
        bars = list(_known_bars(row))
        if result is not None and result.device is Device.CUDA:
            samples = [each.samples_us for each in result.sub_kernels]
    series = [
        Series(sub_title(sub), each, str(sub.sub_kernel.index), _tone(sub) if progress is None else "plain")
        for sub, each in zip(row.sub_kernels, samples, strict=False)
        if each
    ]
    return BenchView(
        row,
        _headline(row, state, progress),
        tuple(_told(row, state)),
        state.failures.get(name) if progress is None else None,
        tuple(bars),
        tuple(series),
        progress is not None,
        state.outlooks.get(name, ()) if result is None else (),
    )


def called(row: MultiKernelRow) -> str:
    """'layer_norm 4096×4096 bf16'."""
    return " ".join(part for part in (row.title, row.shape, row.dtype) if part)


# --- words -------------------------------------------------------------------------------------------------------


def head_content(view: BenchView) -> Content:
    """What stands above the bars."""
    lines = [view.headline]
    if view.failure is not None:
        lines.append(Content.styled(f"✗ Not measured: {one_line(view.failure.message)}", "bold $text-error"))
        lines += [Content(one_line(view.failure.advice))] if view.failure.advice else []
    lines += [Content.styled(one_line(line), MUTED) for line in view.told]
    return Content("\n").join(lines)


def _headline(row: MultiKernelRow, state: BenchState, progress: Progress | None) -> Content:
    name = full_id(row.multi_kernel)
    if progress is not None:
        said = bench_text.progress_text(progress, called(row))
        return Content.styled(f"▶ {one_line(said)}", "bold $text-primary")
    if name in state.waiting:
        before = state.waiting.index(name) + (state.running is not None)
        return Content.styled(f"… waiting; {before} {'comes' if before == 1 else 'come'} first", "bold $text-primary")
    if row.measurement is None:
        return Content.styled("– not measured yet", "bold")
    sign = f"{row.mark.sign} " if row.mark.sign else ""
    said = bench_text.verdict_sentence(row.multi_kernel, row.measurement)
    return Content.styled(f"{sign}{one_line(said)}", f"bold {_COLOURS[row.mark.tone]}")


def _told(row: MultiKernelRow, state: BenchState) -> Iterator[str]:
    name, found = full_id(row.multi_kernel), row.measurement
    if name in state.progress:
        yield "esc stops it; keys and tabs go on working meanwhile"
        return
    if found is not None:
        yield " · ".join(part for part in (_provenance(found), _agreement(row, found)) if part)
    result = state.results.get(name)
    if result is not None and result.device is Device.INTERPRETER:
        yield f"{INTERPRETED} in this session: that tells whether they compute the same, not how fast they are"
    elif name in state.unkept:
        yield f"⚠ kept for this session only: {state.unkept[name]}"
    if name in state.waiting:
        return
    keys = [f"p pins {row.winner}"] if row.winner is not None and not row.record.file.obstacle else []
    again = "again" if found is not None and found.knowledge is Knowledge.SESSION else "now"
    yield " · ".join([*keys, f"b measures it {again}", "B measures all that the list shows"])
    # Beside numbers it stands at the end of the page, but for what would be in the way.
    outlook = state.outlooks.get(name, ())
    yield from (line for line in outlook if found is None or line.startswith(PROBLEM))


def _provenance(found: Measurement) -> str:
    """'measured in this session', 'measured 2026-01-31 12:00 UTC, me@host', or what the place says of its record."""
    match found.knowledge:
        case Knowledge.SESSION:
            return "measured in this session"
        case Knowledge.HISTORY:
            return f"measured {when_and_who(found)}"
    return when_and_who(found) or "recorded"


def _agreement(row: MultiKernelRow, found: Measurement) -> str:
    """Who disagrees is in the verdict already, and what nobody compared has nothing to tell."""
    is_compared = any(sub.agrees is not None for sub in found.sub_kernels)
    return bench_text.agreement_text(row.multi_kernel, found) if is_compared and not found.disagreeing else ""


# --- charts ------------------------------------------------------------------------------------------------------


def _known_bars(row: MultiKernelRow) -> Iterator[Bar]:
    if row.measurement is None:
        return
    is_gpu = row.measurement.device is Device.CUDA
    for sub, measured in zip(row.sub_kernels, row.measurement.sub_kernels, strict=True):
        if measured.cold is None:
            yield Bar(sub_title(sub), None, note=measured.problem or "not measured", tone="bad")
            continue
        note = sub.note if is_gpu else NO_GPU_TIME
        yield _bar(sub_title(sub), measured.cold, note, _tone(sub) if is_gpu else "dim")
        if measured.hot is not None:
            yield _bar("  hot L2", measured.hot, "", "dim")


def _bar(label: str, timing: Timing, note: str, tone: interval_bars.Tone) -> Bar:
    return Bar(label, timing.median_us, time_text(timing.median_us), timing.q1_us, timing.q3_us, note, tone)


def _live_bar(sub: SubKernelRow, samples: Sequence[float]) -> Bar:
    if not samples:
        return Bar(sub_title(sub), None, note="…", tone="dim")
    q1, middle, q3 = quartiles(samples)
    return Bar(sub_title(sub), middle, time_text(middle), q1, q3, f"n {len(samples)}")


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile; of few samples their ends."""
    if len(samples) < _FEWEST_FOR_QUARTILES:
        return min(samples), median(samples), max(samples)
    q1, middle, q3 = quantiles(samples, n=4, method="inclusive")
    return q1, middle, q3


def _tone(sub: SubKernelRow) -> interval_bars.Tone:
    if sub.disagrees:
        return "bad"
    return "good" if sub.fastest else "plain"


# --- below the charts --------------------------------------------------------------------------------------------


def body_content(view: BenchView, width: int) -> Content:
    """The numbers side by side, then on what machine and how they were taken; nothing while a race runs."""
    found = view.row.measurement
    if found is None or view.live:
        return Content("")
    verdict, *subs, machine = bench_text.sections(view.row.multi_kernel, found)
    values = [{entry.label: entry.value for entry in section.entries} for section in subs]
    labels = dict.fromkeys(label for each in values for label in each)
    titles = [sub_title(sub) for sub in view.row.sub_kernels]
    numbers = [(label, [each.get(label, "–") for each in values]) for label in labels]
    lines: list[Line] = [heading("Numbers", width), *columns(titles, numbers, width), Content("")]
    # What the headline says already is left out.
    how = Section("How", tuple(entry for entry in verdict.entries if entry.label != "verdict"))
    ahead = Section("If it is measured now", tuple(Entry("", line) for line in view.outlook))
    for section in (how, machine, ahead):
        if section.entries:
            lines += section_lines(section, width)
    return Content("\n").join(lines)
