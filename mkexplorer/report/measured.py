"""The newest that is known of a multi-kernel's times, whoever measured it, seen from the pick as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mkexplorer.catalog.model import Evidence, MultiKernel, SubKernelEvidence, Timing
from mkexplorer.measure.model import BenchResult, Device, SubKernelResult
from mkexplorer.measure.verdict import Judgement, judge, regret
from mkexplorer.picks import measurements
from mkexplorer.picks.book import PickRecord
from mkexplorer.picks.changes import full_id
from mkexplorer.picks.model import Machine, Measured


class Knowledge(StrEnum):
    """Where it is from; what stands first here goes before what stands later."""

    SESSION = "measured now"
    HISTORY = "the history of the pick"
    PLACE = "the record of the place"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was ``measured``, where and when.

    ``judgement`` is the race's own where there was one, with the regret of the pick as it is now; it leaves out what
    disagrees. ``when`` is UTC, ISO 8601, None where it is not known. ``who`` is 'me@host', or the place's record.
    ``doubt`` says why nobody should go by these times later; '' where there is nothing against them.
    """

    knowledge: Knowledge
    measured: Measured
    machine: Machine
    device: Device = Device.CUDA
    when: str | None = None
    who: str = ""
    doubt: str = ""
    judgement: Judgement | None = None

    @property
    def sub_kernels(self) -> tuple[SubKernelResult, ...]:
        return self.measured.sub_kernels

    @property
    def timings(self) -> tuple[Timing | None, ...]:
        """The times on a GPU, with a cold L2."""
        is_gpu = self.device is Device.CUDA
        return tuple(each.cold if is_gpu else None for each in self.sub_kernels)

    @property
    def evidence(self) -> Measured:
        """For a pin that rests on it."""
        return replace(self.measured, judgement=self.judgement)

    @property
    def disagreeing(self) -> tuple[int, ...]:
        """The sub-kernels whose outputs are not what they should be."""
        return tuple(index for index, each in enumerate(self.sub_kernels) if each.agrees is False)


def newest(
    multi_kernel: MultiKernel, evidence: Evidence | None, record: PickRecord, result: BenchResult | None = None
) -> Measurement | None:
    """Of this session's ``result``, the pick's history and the place's ``evidence`` the first that has times of a GPU.

    What is about another number of sub-kernels is not this multi-kernel's, and is not used. Whether sub-kernels agree
    is taken from ``result`` in any case; without any times of a GPU, all of it is.
    """
    count, picked = len(multi_kernel.sub_kernels), record.pick.index
    session = of_result(result, picked) if result is not None and len(result.sub_kernels) == count else None
    if session is not None and any(session.timings):
        return session
    earlier = _of_history(record, multi_kernel) or _of_place(evidence, count)
    if earlier is None:
        return session
    return seen_from(_with_agreement(earlier, session) if session is not None else earlier, picked)


def of_result(result: BenchResult, picked: int | None) -> Measurement:
    """A result of this session, for a pick that may have changed since."""
    measured, machine = measurements.measured_of(result), measurements.machine_of(result)
    doubt = measurements.doubt(result)
    found = Measurement(Knowledge.SESSION, measured, machine, result.device, result.when, doubt=doubt)
    return seen_from(found, picked)


def seen_from(found: Measurement, picked: int | None) -> Measurement:
    """The same with the judgement on this pick."""
    return replace(found, judgement=_judged(found, picked))


def _of_history(record: PickRecord, multi_kernel: MultiKernel) -> Measurement | None:
    """Its own newest one; else that of the same kernels in another graph, or in this one as it was compiled before."""
    entries = sorted(reversed(record.file.history.entries), key=lambda each: each.multi_kernel != full_id(multi_kernel))
    for entry in entries:
        measured, machine = entry.measured, entry.machine
        subs = measured.sub_kernels if measured is not None else ()
        is_timed = len(subs) == len(multi_kernel.sub_kernels) and any(each.cold for each in subs)
        if measured is not None and is_timed:
            who = "@".join(part for part in (machine.user, machine.host) if part)
            return Measurement(Knowledge.HISTORY, measured, machine, when=entry.when, who=who)
    return None


def _of_place(evidence: Evidence | None, count: int) -> Measurement | None:
    if evidence is None or len(evidence.sub_kernels) != count:
        return None
    machine = Machine(gpu=evidence.gpu, torch=evidence.torch, triton=evidence.triton)
    measured = Measured(tuple(_recorded(each) for each in evidence.sub_kernels))
    return Measurement(Knowledge.PLACE, measured, machine, who=evidence.source)


def _recorded(sub: SubKernelEvidence) -> SubKernelResult:
    return SubKernelResult(
        sub.cold, sub.hot, stock_us=sub.stock_us, resources=sub.resources, configuration=sub.configuration
    )


def _with_agreement(earlier: Measurement, session: Measurement) -> Measurement:
    pairs = zip(earlier.sub_kernels, session.sub_kernels, strict=True)
    subs = tuple(
        replace(old, agrees=new.agrees, problem=new.problem) if new.agrees is not None else old for old, new in pairs
    )
    return replace(earlier, measured=replace(earlier.measured, sub_kernels=subs))


def _judged(found: Measurement, picked: int | None) -> Judgement | None:
    """The verdict of the race, or one from the quartiles where none was stored, seen from the pick of now."""
    if found.device is not Device.CUDA:
        return None
    believed = [None if sub.agrees is False else sub.cold for sub in found.sub_kernels]
    raced = found.measured.judgement
    if raced is None:
        # A race that came to no verdict had its reason; only what was no race is judged from its quartiles.
        return judge(believed, picked) if found.measured.source is None else None
    if _is_about(raced, believed, picked):
        return replace(raced, regret=regret(believed, raced.best, picked))
    return judge(believed, picked)


def _is_about(raced: Judgement, believed: Sequence[Timing | None], picked: int | None) -> bool:
    """Whether a race still says what there is to say: it compared the best with the pick, or with the runner-up."""
    best, rival = believed[raced.best], believed[raced.rival]
    if best is None or rival is None:
        return False
    if picked is None or picked == raced.rival or believed[picked] is None:
        return True
    others = (each for index, each in enumerate(believed) if each is not None and index != raced.best)
    return picked == raced.best and rival.median_us <= min(each.median_us for each in others)
