"""What the run time needs of a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch

from mkexplorer.multikernel.measuring import machine_of
from mkexplorer.picks.model import Machine
from mkexplorer.race.racing import Contestant, Outcome


def race_on_gpu(contestants: Sequence[Contestant], old: int | None) -> Outcome:
    from mkexplorer.race.cuda import race_in_a_program

    return race_in_a_program(contestants, old)


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


@cache
def machine(device: int) -> Machine:
    """What evidence says of where it was made."""
    return machine_of(f"cuda:{device}" if torch.cuda.is_available() else "cpu")
