"""Stopwatches of a GPU. Nothing here waits for the GPU while runs are queued, and nothing of the host is timed.

Every run is queued as: restore, clear the cache, mark, launch, mark. A blocker runs first, long enough for the host to
queue all of it, so that the GPU finds its queue full: a pause in it is then somebody else's doing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import warnings
from typing import Any, Callable, Iterator, Sequence

import torch

from .racing import IN_A_PROGRAM, LAUNCHES_OF_A_HOT_RUN, Contestant, Outcome, Run, Timed, race

log = logging.getLogger("mkexplorer.race")

# The profiler now and then loses what it saw, and sees all of it the next time.
_TRIES = 2

_US = 1e3  # of the milliseconds that torch's events count in, and of the nanoseconds of its profiler
_MARK_CYCLES = 1
# What queueing a run costs the host, as first assumed; then as measured.
_HOST_US = 120.0
# A launch between two events costs half of what a run does, which clears the cache too.
_RUN_PER_ROUGH_RUN = 2.0
_NOMINAL_MHZ = 1_500.0
_SHORTEST_BLOCKER_US = 100.0
_LONGEST_BLOCKER_US = 5_000.0
# In a full queue one run follows another within a few microseconds.
_PAUSE_US = 60.0
_FAR_OFF = 4.0
# After so many launches a cache holds what it will hold after more.
_WARMING_LAUNCHES = LAUNCHES_OF_A_HOT_RUN - 1
# GPUs whose last cache is not the one that torch tells the size of.
_LARGEST_CACHE = 256 << 20
# As much as the cache holds does not empty all of it wherever the memory lies: in one process of several on an H100,
# kernels that take 8.8 us from memory then took 6.6.
_TIMES_THE_CACHE = 3
_COPIED_BYTES = 256 << 20
_COPIES = 5
_LOG_LEVEL, _ABOVE_ALL_LOG_LINES = "KINETO_LOG_LEVEL", "6"
_FIRST_WITH_LOG_LINES = "2.13"
_STEP = "ProfilerStep"  # what torch counts while a profiler of its is there
# Torch has one profiler for all threads. None of ours waits for another one's session, which may wait in turn for what
# the first is to send from another GPU.
_session = threading.Lock()


def stopwatch(device: int | None = None) -> ProfilerStopwatch | EventStopwatch:
    """The most exact one that works here now."""
    return ProfilerStopwatch(device) if ProfilerStopwatch.is_available() else EventStopwatch(device)


def race_in_a_program(contestants: Sequence[Contestant], old: int | None, device: int | None = None) -> Outcome:
    """On the current stream, as briefly as a program can wait. Every contestant has run before.

    A stopwatch is not kept: it holds memory, perhaps of a pool that is given back as a whole (CUDA graphs').
    """
    for _ in range(_TRIES if ProfilerStopwatch.is_available() else 0):
        try:
            return race(contestants, ProfilerStopwatch(device), IN_A_PROGRAM, old)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            log.debug("the profiler missed something: %s", error)  # what is the kernels' fault fails again
    return race(contestants, EventStopwatch(device), IN_A_PROGRAM, old)


class _Gpu:
    """What both stopwatches queue."""

    def __init__(self, device: int | None = None) -> None:
        self.device = torch.cuda.current_device() if device is None else device
        self._cache = _over_the_cache(self.device)
        self._host_us = 0.0
        self._mhz = _NOMINAL_MHZ

    def rough_us(self, contestant: Contestant) -> float:
        """By events, so a few microseconds too long."""
        begin, end = _event(), _event()
        for _ in range(2):
            clock = _HostClock()
            if contestant.restore is not None:
                contestant.restore()
            begin.record()
            contestant.launch()
            end.record()
            host_us = clock.us()
        self._host_us = max(self._host_us, host_us * _RUN_PER_ROUGH_RUN)
        end.synchronize()
        return float(begin.elapsed_time(end)) * _US

    def block(self, runs: int) -> float:
        """Keeps the GPU busy while ``runs`` are queued; the cycles that it will take."""
        host_us = self._host_us or _HOST_US
        blocker_us = min(max(runs * host_us * 1.3, _SHORTEST_BLOCKER_US), _LONGEST_BLOCKER_US)
        cycles = int(blocker_us * self._mhz)
        torch.cuda._sleep(cycles)
        return float(cycles)

    def prepare(self, run: Run) -> None:
        if run.contestant.restore is not None:
            run.contestant.restore()
        if not run.is_hot:
            self._cache.zero_()
            return
        for _ in range(_WARMING_LAUNCHES):
            run.contestant.launch()
            if run.contestant.restore is not None:
                run.contestant.restore()

    def learn(self, runs: int, host_us: float, cycles: float, blocker_us: float) -> float:
        """The clock in MHz; how long the host took is remembered."""
        self._host_us = host_us / max(runs, 1)
        self._mhz = cycles / blocker_us
        return self._mhz


class EventStopwatch(_Gpu):
    """Pairs of events. What they add is taken off; what it differs by from kernel to kernel is ``systematic_us``."""

    # Against the profiler on an H100, events differ by 2.1 to 3.2 us for nine kernels of ten.
    systematic_us = 0.5
    _ADDED_TO_A_MARK_US = 1.0

    def __init__(self, device: int | None = None) -> None:
        super().__init__(device)
        mark = Contestant("mark", lambda: torch.cuda._sleep(_MARK_CYCLES))
        times = self._timed([Run(mark)] * 20)[0]
        self._added_us = sorted(times)[len(times) // 2] - self._ADDED_TO_A_MARK_US

    def time(self, runs: Sequence[Run]) -> Timed:
        times_us, gpu_us, mhz, pauses = self._timed(runs)
        corrected = tuple(max(time_us - self._added_us, 0.01) for time_us in times_us)
        return Timed(corrected, gpu_us, mhz, pauses + _far_off(runs, corrected))

    def _timed(self, runs: Sequence[Run]) -> tuple[list[float], float, float, int]:
        blocked, began = _event(), _event()
        began.record()
        cycles = self.block(len(runs))
        blocked.record()
        clock = _HostClock()
        pairs = []
        for run in runs:
            self.prepare(run)
            pair = _event(), _event()
            pair[0].record()
            run.contestant.launch()
            pair[1].record()
            pairs.append(pair)
        host_us = clock.us()
        last = pairs[-1][1] if pairs else blocked
        last.synchronize()
        mhz = self.learn(len(runs), host_us, cycles, float(began.elapsed_time(blocked)) * _US)
        times_us = [float(begin.elapsed_time(end)) * _US for begin, end in pairs]
        return times_us, float(began.elapsed_time(last)) * _US, mhz, 0


class ProfilerStopwatch(_Gpu):
    """Torch's own profiler, which asks the driver when each kernel began and ended.

    It cannot run beside another one of this process: where somebody is profiling it is not used, and nobody can begin
    to, in another thread, during the few milliseconds that it runs for.

    A launch that is several kernels counts from the first one's begin to the last one's end. ``systematic_us`` is half
    a step of the driver's clock, 0.032 us on an H100: times come in whole steps, so two medians that differ by less
    than half a step are told apart, or not, by where the steps happen to lie.
    """

    systematic_us = 0.016

    @staticmethod
    def is_available() -> bool:
        """Whether the profiler sees kernels, and nobody is profiling now."""
        profiler = torch.profiler
        return profiler.ProfilerActivity.CUDA in profiler.supported_activities() and not _is_profiling()

    def time(self, runs: Sequence[Run]) -> Timed:
        """Raises RuntimeError where the profiler did not see what was run, or is in use meanwhile."""
        with _profile() as session:
            clock = _HostClock()
            cycles = self.block(len(runs))
            for run in runs:
                self.prepare(run)
                torch.cuda._sleep(_MARK_CYCLES)
                run.contestant.launch()
                torch.cuda._sleep(_MARK_CYCLES)
            host_us = clock.us()
            torch.cuda.current_stream().synchronize()
        spans = _spans(session)
        blocker, timed = _between_marks(spans, len(runs))
        times_us = tuple(max(last.end - first.begin, 1) / _US for first, last in timed)
        blocker_us = (blocker.end - blocker.begin) / _US
        mhz = self.learn(len(runs), host_us, cycles, blocker_us)
        gpu_us = (spans[-1].end - blocker.begin) / _US
        # Where the host was slower than the blocker, pauses are its own.
        pauses = _pauses(spans, blocker) if host_us < blocker_us else 0
        return Timed(times_us, gpu_us, mhz, pauses + _far_off(runs, times_us))


class _Span:
    """One thing that the GPU did, in nanoseconds of the driver's clock."""

    def __init__(self, begin: int, end: int, is_mark: bool) -> None:
        self.begin = begin
        self.end = end
        self.is_mark = is_mark


class _HostClock:
    def __init__(self) -> None:
        from time import perf_counter

        self._now: Callable[[], float] = perf_counter
        self._began = perf_counter()

    def us(self) -> float:
        return (self._now() - self._began) * 1e6


def copy_gb_per_s(device: int | None = None) -> float | None:
    """What a plain copy of large tensors reads and writes per second, in GB; None where there is no room for them."""
    where = torch.device("cuda", torch.cuda.current_device() if device is None else device)
    size = min(_COPIED_BYTES, torch.cuda.mem_get_info(where)[0] // 8)
    if size < 1 << 20:
        return None
    source = torch.empty(size, dtype=torch.uint8, device=where)
    target = torch.empty_like(source)
    target.copy_(source)
    events = [_event() for _ in range(_COPIES + 1)]
    events[0].record()
    for event in events[1:]:
        target.copy_(source)
        event.record()
    events[-1].synchronize()
    shortest_us = min(float(begin.elapsed_time(end)) for begin, end in zip(events, events[1:])) * _US
    return float(2 * size / shortest_us / 1e3)


def _over_the_cache(device: int) -> Any:
    """What to write over to leave nothing else in the GPU's last cache; less of it where memory is short."""
    size = torch.cuda.get_device_properties(device).L2_cache_size
    cache = _LARGEST_CACHE if torch.version.hip or not size else size
    is_short = torch.cuda.mem_get_info(device)[0] < 2 * _TIMES_THE_CACHE * cache
    count = cache // 4 if is_short else _TIMES_THE_CACHE * cache // 4
    return torch.empty(count, dtype=torch.int32, device=torch.device("cuda", device))


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)


def _is_profiling() -> bool:
    """Whether anybody is: this thread, another one, or one whose schedule waits for a later step.

    A second session would end that one, and in torch 2.13 the process. One that was begun and ended by ``start`` and
    ``stop`` cannot be told from one that waits.
    """
    profiler = torch.autograd.profiler
    steps = getattr(getattr(profiler, "KinetoStepTracker", None), "_step_dict", {})
    here = getattr(torch._C._autograd, "_profiler_enabled", lambda: False)()
    return bool(here or getattr(profiler, "_is_profiler_enabled", False) or _STEP in steps)


@contextlib.contextmanager
def _profile() -> Iterator[Any]:
    """Without ``acc_events``, which has torch make objects of all events when it ends: 5 ms for a race."""
    if not _session.acquire(blocking=False):
        raise RuntimeError("another thread of this program is measuring")
    try:
        session = _begun_session()
        try:
            yield session
        finally:
            session.__exit__(None, None, None)
    finally:
        _session.release()


def _begun_session() -> Any:
    if _is_profiling():
        raise RuntimeError("somebody else has begun to profile")
    session = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
    try:
        with warnings.catch_warnings(), _without_log_lines():
            warnings.simplefilter("ignore")  # torch warns that each session has its own events
            session.__enter__()
    except BaseException:
        torch.autograd.profiler.KinetoStepTracker.erase_step_count(_STEP)  # or somebody would seem to profile for ever
        raise
    return session


@contextlib.contextmanager
def _without_log_lines() -> Iterator[None]:
    """Torch 2.13 writes to stderr whenever a session begins or ends, unless its log level is above that of such lines.

    It reads the level once, at the process's first session. Whoever has set one keeps it.
    """
    if _LOG_LEVEL in os.environ or torch.__version__ < _FIRST_WITH_LOG_LINES:
        yield
        return
    os.environ[_LOG_LEVEL] = _ABOVE_ALL_LOG_LINES
    try:
        yield
    finally:
        os.environ.pop(_LOG_LEVEL, None)


def _spans(session: Any) -> list[_Span]:
    """All that ran on the GPU meanwhile, in order; on the stream of the marks alone, if others ran too."""
    found = []
    marked = None
    gpu = torch.autograd.DeviceType.CUDA
    for event in session.profiler.kineto_results.events():
        duration = event.duration_ns()
        if duration <= 0 or event.device_type() != gpu:
            continue
        begin = event.start_ns()
        span = _Span(begin, begin + duration, is_mark="spin_kernel" in event.name())
        found.append((span, event.device_resource_id()))
        if span.is_mark:
            marked = event.device_resource_id()
    return sorted((span for span, stream in found if stream == marked), key=lambda span: span.begin)


def _between_marks(spans: Sequence[_Span], runs: int) -> tuple[_Span, list[tuple[_Span, _Span]]]:
    """The blocker, and of each run its first and last kernel."""
    marks = [index for index, span in enumerate(spans) if span.is_mark]
    if len(marks) != 2 * runs + 1:
        raise RuntimeError(f"the profiler saw {max(len(marks) - 1, 0)} of {2 * runs} marks")
    timed = []
    for begin, end in zip(marks[1::2], marks[2::2]):
        if end - begin < 2:
            raise RuntimeError("the profiler saw no kernel where one was launched")
        timed.append((spans[begin + 1], spans[end - 1]))
    return spans[marks[0]], timed


def _pauses(spans: Sequence[_Span], blocker: _Span) -> int:
    behind = [span for span in spans if span.begin >= blocker.end]
    return sum(after.begin - before.end > _PAUSE_US * _US for before, after in zip(behind, behind[1:]))


def _far_off(runs: Sequence[Run], times_us: Sequence[float]) -> int:
    """Times beyond several times the median of their own kind."""
    kinds: dict[tuple[int, bool], list[float]] = {}
    for run, time_us in zip(runs, times_us):
        kinds.setdefault((id(run.contestant), run.is_hot), []).append(time_us)
    return sum(time_us > _FAR_OFF * sorted(kind)[len(kind) // 2] + 1.0 for kind in kinds.values() for time_us in kind)
