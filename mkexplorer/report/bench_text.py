"""What is said of a measurement: its verdict in a sentence, and all that it rests on, in sections."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mkexplorer.catalog.model import Argument, MultiKernel, ScalarArgument
from mkexplorer.measure.model import Device, Progress
from mkexplorer.measure.verdict import Judgement, Verdict
from mkexplorer.report.details import Entry, Section, measured_entries, when_and_who
from mkexplorer.report.measured import Measurement
from mkexplorer.report.rows import time_text

# From here on a second digit behind the point says nothing.
_CLEAR_RATIO = 1.1


def verdict_sentence(multi_kernel: MultiKernel, found: Measurement) -> str:
    """'persistent is 1.37× faster than looped (95%: 1.35 to 1.39); the pick costs 8.5 µs a call'."""
    wrong = [_name(multi_kernel, index) for index in found.disagreeing]
    said = _verdict(multi_kernel, found) if found.judgement is not None else _why_no_verdict(found)
    if not wrong:
        return said
    compute = "computes" if len(wrong) == 1 else "compute"
    return f"{' and '.join(wrong)} {compute} something else than {'it' if len(wrong) == 1 else 'they'} should; {said}"


def agreement_text(multi_kernel: MultiKernel, found: Measurement) -> str:
    """'all sub-kernels compute the same', or who does not and how, or that nobody compared."""
    subs = found.sub_kernels
    if found.disagreeing:
        problems = (f"{_name(multi_kernel, index)}: {subs[index].problem}" for index in found.disagreeing)
        return f"✗ disagree: {'; '.join(problem.removesuffix(': ') for problem in problems)}"
    if all(each.agrees for each in subs):
        return "all sub-kernels compute the same"
    return "not compared" if not any(each.agrees for each in subs) else "not all sub-kernels could be compared"


def arguments_text(found: Measurement) -> str:
    """From where the arguments came, and those of a program's own call; '' where that is not recorded."""
    measured = found.measured
    call = ", ".join(map(_argument_text, measured.arguments))
    return ": ".join(part for part in (measured.source.value if measured.source else "", call) if part)


def _argument_text(argument: Argument) -> str:
    if isinstance(argument, ScalarArgument):
        return f"{argument.name} = {argument.value}"
    shape = "×".join(map(str, argument.shape or ()))
    return f"{argument.name} {argument.dtype} {shape} strides {','.join(map(str, argument.stride or ()))}"


def sections(multi_kernel: MultiKernel, found: Measurement) -> tuple[Section, ...]:
    """The verdict and what it rests on, each sub-kernel, the machine."""
    return (
        Section("Verdict", tuple(_verdict_entries(multi_kernel, found))),
        *(
            Section(f"Sub-kernel {sub.index}: {sub.kind.value}", tuple(measured_entries(found, sub.index)))
            for sub in multi_kernel.sub_kernels
        ),
        Section("Machine", tuple(_machine(found))),
    )


def progress_text(progress: Progress, title: str) -> str:
    """'racing layer_norm 4096×4096 bf16, 12 of 48'."""
    steps = f", {progress.done} of {progress.total}" if progress.total else ""
    return f"{progress.stage.value} {title}{steps}"


def _verdict_entries(multi_kernel: MultiKernel, found: Measurement) -> Iterator[Entry]:
    yield Entry("verdict", verdict_sentence(multi_kernel, found))
    yield Entry("agreement", agreement_text(multi_kernel, found))
    if arguments := arguments_text(found):
        yield Entry("arguments", arguments)
    if when := when_and_who(found):
        yield Entry("measured", when, found.knowledge.value)
    if found.doubt:
        yield Entry("not kept", found.doubt)
    yield from (Entry("note", note) for note in found.measured.notes)


def _machine(found: Measurement) -> Iterator[Entry]:
    machine, measured = found.machine, found.measured
    if machine.gpu:
        yield Entry("GPU", f"{machine.gpu}, driver {machine.driver}" if machine.driver else machine.gpu)
    yield from (Entry(name, text) for name, text in (("torch", machine.torch), ("triton", machine.triton)) if text)
    if measured.sm_clock_mhz:
        yield Entry("SM clock", f"{measured.sm_clock_mhz:.0f} MHz")
    if measured.copy_gb_per_s:
        yield Entry("copies", f"{measured.copy_gb_per_s:.0f} GB/s")
    if measured.throttled:
        yield Entry("⚠", f"the GPU was slowed down: {', '.join(measured.throttled)}")
    if found.doubt and found.device is Device.CUDA:
        yield Entry("⚠", found.doubt)


def _verdict(multi_kernel: MultiKernel, found: Measurement) -> str:
    judgement = found.judgement
    assert judgement is not None
    best, rival = (_name(multi_kernel, index) for index in (judgement.best, judgement.rival))
    interval = f"(95%: {_interval(judgement)})"
    if judgement.verdict is Verdict.SAME:
        return f"{best} and {rival} take the same time: {judgement.ratio:.3f}× {interval}"
    if judgement.verdict is Verdict.UNSURE:
        return f"it is not sure whether {best} or {rival} is faster: {judgement.ratio:.3f}× {interval}"
    said = f"{best} is {_ratio(judgement.ratio, judgement)}× faster than {rival} {interval}"
    return f"{said}; {_of_the_pick(found, judgement)}"


def _of_the_pick(found: Measurement, judgement: Judgement) -> str:
    if judgement.regret is None:
        return "what is picked is not known, or has no time"
    picked, best = found.timings[judgement.rival], found.timings[judgement.best]
    if not judgement.pick_is_slower or picked is None or best is None:
        return "it is the pick"
    return f"the pick costs {time_text(picked.median_us - best.median_us)} a call"


def _why_no_verdict(found: Measurement) -> str:
    if found.device is Device.INTERPRETER:
        return "no verdict: the kernels ran in Triton's interpreter, whose times are no GPU times"
    wrong = found.disagreeing
    if sum(each is not None and index not in wrong for index, each in enumerate(found.timings)) < 2:
        return f"no verdict: fewer than two sub-kernels {'agree and ' if wrong else ''}have a time"
    return f"no verdict: {found.doubt or 'the times do not allow one'}"


def _interval(judgement: Judgement) -> str:
    high = "any" if math.isinf(judgement.high) else _ratio(judgement.high, judgement)
    return f"{_ratio(judgement.low, judgement)} to {high}"


def _ratio(value: float, judgement: Judgement) -> str:
    is_clear = judgement.verdict is Verdict.FASTER and judgement.ratio >= _CLEAR_RATIO
    return f"{value:.2f}" if is_clear else f"{value:.3f}"


def _name(multi_kernel: MultiKernel, index: int) -> str:
    """Its kind, with its number where another one is of the same kind."""
    kind = multi_kernel.sub_kernels[index].kind
    is_alone = sum(each.kind is kind for each in multi_kernel.sub_kernels) == 1
    return kind.value if is_alone else f"{kind.value} {index}"
