"""Measures a choice that was only taken over from a neighbouring bucket, off the critical path.

When such a bucket has been called a few times (a shape seen once is worth no measurement), the arguments of that call
are copied on its stream, and a thread waits for a moment in which that stream has nothing left to do: then the race
runs on a stream of its own. Times taken while the program computes would be no times, and a race in the middle of a
call would be a pause of 20 ms. If the program launches something meanwhile, the race notices (`Outcome.disturbed`), the
choice is dropped and a later moment is tried. A stream that never rests is left alone: the taken-over choice stays in
use, is not kept, and `MultiKernelFunction.confirm` measures at the next call.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, Protocol

from .call import MultiKernelCall
from .clones import clone_all, overwritten_bytes
from .measuring import device_of
from .trial import Call

log = logging.getLogger("mkexplorer.multikernel")

CALLS_BEFORE = 8
"""So many calls of a bucket are made with the choice taken over before it is worth a measurement."""

_LOOK_EVERY_S = 0.01
# Idle at so many looks in a row is a rest, and not the gap between two launches.
_LOOKS = 5
_LONGEST_WAIT_S = 600.0
_MOST_TRIES = 5
_MOST_OF_FREE_MEMORY = 0.5


class Confirmer(Protocol):
    def add(self, multi_kernel: MultiKernelCall, call: Call, done: Callable[[], object]) -> None:
        """Measures ``multi_kernel`` some time on the arguments of ``call`` as they are now, and then calls ``done``."""


@dataclass(frozen=True)
class _Job:
    multi_kernel: MultiKernelCall
    call: Call
    done: Callable[[], object]
    device: str
    stream: Any


class IdleConfirmer:
    """One thread, started with the first job. On the CPU there is nothing to confirm: its times choose nothing."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, multi_kernel: MultiKernelCall, call: Call, done: Callable[[], object]) -> None:
        device = device_of(call.arguments)
        if device == "cpu":
            return
        import torch

        if overwritten_bytes(call.arguments) > _MOST_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]:
            log.debug("%s: no memory to confirm its choice in", multi_kernel.label)
            return
        copied = replace(call, arguments=clone_all(call.arguments).arguments, stream=None)
        self._jobs.put(_Job(multi_kernel, copied, done, device, torch.cuda.current_stream(device)))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mkexplorer-confirm", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                _confirm(job)
            except Exception:
                log.warning("%s: its choice could not be confirmed", job.multi_kernel.label, exc_info=True)


@lru_cache(maxsize=1)
def idle_confirmer() -> IdleConfirmer:
    return IdleConfirmer()


def _confirm(job: _Job) -> None:
    import torch

    with torch.cuda.device(job.device):
        own = torch.cuda.Stream()
        own.wait_stream(job.stream)
        for _ in range(_MOST_TRIES):
            if not _rests(job.stream):
                log.debug("%s: the GPU never rested, so its choice is not confirmed", job.multi_kernel.label)
                return
            with torch.cuda.stream(own):
                choice = job.multi_kernel.confirm(job.call)
            own.synchronize()  # the copies go with the job, and nothing may still read them
            if not choice.doubt:
                job.done()
                return


def _rests(stream: Any) -> bool:
    """Waits until the stream has had nothing to do for a while; False if that takes too long."""
    until = time.monotonic() + _LONGEST_WAIT_S
    looks = 0
    while looks < _LOOKS:
        if time.monotonic() > until:
            return False
        looks = looks + 1 if stream.query() else 0
        time.sleep(_LOOK_EVERY_S)
    return True
