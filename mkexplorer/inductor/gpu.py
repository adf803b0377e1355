"""What the run time needs of a GPU."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch

from mkexplorer.picks.model import Machine
from mkexplorer.race.racing import IN_A_PROGRAM, Contestant, Outcome, race

log = logging.getLogger("mkexplorer.inductor")

# The profiler now and then loses what it saw, and sees all of it the next time.
_TRIES = 2
_DRIVER_VERSION = "/sys/module/nvidia/version"


def race_on_gpu(contestants: Sequence[Contestant], old: int | None) -> Outcome:
    """On the current stream. Every contestant has run before.

    The stopwatch goes when the race is over: in a warm-up run of CUDA graph trees its memory is the graph's own.
    """
    from mkexplorer.race.cuda import EventStopwatch, ProfilerStopwatch

    for _ in range(_TRIES if ProfilerStopwatch.is_available() else 0):
        try:
            return race(contestants, ProfilerStopwatch(), IN_A_PROGRAM, old)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            log.debug("the profiler missed something: %s", error)  # what is the kernels' fault fails again
    return race(contestants, EventStopwatch(), IN_A_PROGRAM, old)


@contextlib.contextmanager
def on_stream(device: int, stream: Any) -> Iterator[None]:
    """Has ``stream``, as generated code passes it, for the current one, so that the race looks where it launches."""
    if not torch.cuda.is_available():
        yield
        return
    with torch.cuda.device(device):
        if not isinstance(stream, int) or stream == torch.cuda.current_stream().cuda_stream:
            yield
            return
        with torch.cuda.stream(torch.cuda.ExternalStream(stream)):
            yield


def current_stream(device: int) -> int:
    """As generated code passes it."""
    return int(torch.cuda.current_stream(device).cuda_stream)


def is_capturing() -> bool:
    """Whether the launches of now are recorded into a CUDA graph instead of run."""
    return torch.cuda.is_available() and bool(torch.cuda.is_current_stream_capturing())


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError)


@cache
def machine(device: int) -> Machine:
    """What evidence says of where it was made."""
    import triton

    has_gpu = torch.cuda.is_available()
    return Machine(
        gpu=torch.cuda.get_device_name(device) if has_gpu else None,
        driver=_driver() if has_gpu else None,
        torch=str(torch.__version__),
        triton=str(triton.__version__),
    )


def _driver() -> str | None:
    try:
        with open(_DRIVER_VERSION) as file:
            return file.read().strip() or None
    except OSError:
        return None
