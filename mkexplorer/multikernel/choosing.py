"""From the times of a race to a choice, and to what is kept of it as evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mkexplorer.catalog.model import Timing
from mkexplorer.measure.model import SubKernelResult
from mkexplorer.measure.verdict import TIE_BAND, Judgement, Verdict
from mkexplorer.picks.model import Measured
from mkexplorer.race.racing import Outcome
from mkexplorer.race.statistics import FASTER, UNSURE, Ruling

from .errors import MultiKernelError
from .values import encoded

# By name, because Triton may not be there, and in what torch and worker processes wrap them.
_LASTING = frozenset({"OutOfResources", "CompilationError", "PTXASError", "NoTritonConfigsError", "InterpreterError"})
# Of Python code that fails alike with the same arguments, such as a grid's.
_LASTING |= frozenset({"LookupError", "TypeError", "ValueError", "AttributeError", "NameError", "AssertionError"})
_LASTING |= frozenset({"NotImplementedError", "ArithmeticError"})
_LASTING_TEXT = re.compile(r"out of resource|PTXAS error|PassManager::run failed")
_NO_MEMORY_TEXT = re.compile(r"out[ _]of[ _]memory", re.IGNORECASE)


@dataclass(frozen=True)
class Choice:
    """``index`` of the sub-kernel to use. ``times`` go by sub-kernel, None for one that could not run.

    ``problems`` says why those could not; ``doubt`` why the choice should not be kept, '' where it should.
    ``configurations`` are those that the sub-kernels ran with, as far as they have any.
    """

    index: int
    times: tuple[Timing | None, ...] = ()
    ruling: Ruling | None = None
    problems: Mapping[int, BaseException] = field(default_factory=dict)
    doubt: str = ""
    configurations: tuple[Mapping[str, int], ...] = ()

    @property
    def measured(self) -> Measured | None:
        """As evidence keeps it; None where there is nothing to keep. Times without a ruling, of an interpreter, are
        no evidence.
        """
        if self.ruling is None and not self.problems:
            return None
        results = tuple(self._result(index, timing) for index, timing in enumerate(self.times))
        return Measured(results, self._judgement, notes=("with the arguments of the program's own call",))

    @property
    def why(self) -> str:
        return "; ".join(f"sub-kernel {index} cannot run: {_line(error)}" for index, error in self.problems.items())

    @property
    def _judgement(self) -> Judgement | None:
        if self.ruling is None:
            return None
        ruling = self.ruling
        bounds = ruling.ratio, ruling.low, ruling.high
        return Judgement(Verdict(ruling.verdict), ruling.best, ruling.rival, *bounds, regret=None)

    def _result(self, index: int, timing: Timing | None) -> SubKernelResult:
        configuration = self.configurations[index] if self.configurations else {}
        problem = self.problems.get(index)
        return SubKernelResult(
            timing if self.ruling else None,
            None,
            configuration=tuple(encoded(configuration).items()),
            problem=_line(problem) if problem else "",
        )


def choose(outcome: Outcome, runners: Mapping[int, int], count: int, old: int | None) -> Choice:
    """``runners`` maps the race's contestants to the ``count`` sub-kernels; ``old`` is the pick until now.

    Sub-kernels within the tie band of the fastest are equally good, and so is the old pick as long as nobody is surely
    faster: then the old pick stays, or else the first one wins, so that a pick does not change by chance.
    """
    summaries = outcome.cold_summaries
    times: list[Timing | None] = [None] * count
    for contestant, index in runners.items():
        found = summaries[contestant]
        times[index] = None if found is None else Timing(found.median_us, found.q1_us, found.q3_us, found.n)
    known = {index: timing.median_us for index, timing in enumerate(times) if timing is not None}
    ruling = _by_sub_kernel(outcome.ruling, runners)
    return Choice(_chosen(known, ruling, old), tuple(times), ruling, doubt=_doubt(outcome))


def among_able(choice: Choice, problems: Mapping[int, BaseException]) -> Choice:
    """``choice``, made without the sub-kernels that have ``problems``; in doubt if one of these may run next time."""
    passing = (f"sub-kernel {index} failed: {_line(error)}" for index, error in problems.items() if not _lasts(error))
    return replace(choice, problems=problems, doubt="; ".join(filter(None, (choice.doubt, *passing))))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was out: that of the host, of torch's allocator, or of the driver, as it and Triton tell it."""
    is_one = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return is_one or _NO_MEMORY_TEXT.search(str(error)) is not None


def _lasts(error: BaseException) -> bool:
    """Whether it fails alike whenever it is tried: it cannot be compiled, or takes more than this GPU has."""
    if is_out_of_memory(error):
        return False
    names = {each.__name__ for each in type(error).__mro__}
    is_ours = isinstance(error, MultiKernelError)  # it refuses these arguments
    return is_ours or bool(names & _LASTING) or _LASTING_TEXT.search(str(error)) is not None


def _chosen(medians_us: Mapping[int, float], ruling: Ruling | None, old: int | None) -> int:
    if ruling is None:
        return old if old is not None and old in medians_us else min(medians_us)
    if ruling.verdict == UNSURE and old is not None and old in (ruling.best, ruling.rival):
        return old
    best_us = medians_us[ruling.best]
    equals = [index for index, median_us in medians_us.items() if median_us <= best_us * (1 + TIE_BAND)]
    if ruling.verdict == FASTER:
        equals = [index for index in equals if index != ruling.rival]
    return old if old is not None and old in equals else min(equals)


def _by_sub_kernel(ruling: Ruling | None, runners: Mapping[int, int]) -> Ruling | None:
    if ruling is None:
        return None
    best, rival = runners[ruling.best], runners[ruling.rival]
    return Ruling(ruling.verdict, best, rival, ruling.ratio, ruling.low, ruling.high)


def _doubt(outcome: Outcome) -> str:
    """Times that somebody else's work is in make no pick for good."""
    runs = sum(len(times) for times in (*outcome.cold, *outcome.hot))
    if outcome.disturbed <= runs // 10:
        return ""
    return f"something else used the GPU during {outcome.disturbed} of {runs} launches"


def _line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
