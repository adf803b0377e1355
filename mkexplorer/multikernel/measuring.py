"""Times sub-kernels by the same race as ``mkexplorer bench``, in the program's own process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from mkexplorer.picks.model import Machine
from mkexplorer.race.host import HostStopwatch
from mkexplorer.race.racing import Contestant, Outcome, Run

from .clones import tensors_in
from .environment import config
from .sharing import alone_on

_DRIVER_VERSION = "/sys/module/nvidia/version"


def device_of(arguments: Iterable[Any]) -> str:
    """'cuda:0' or 'cpu': where the first tensor is. A GPU that torch calls by another name counts as the CPU."""
    for value in arguments:
        for each in (value, *tensors_in(value)):
            device = getattr(each, "device", None)
            if device is not None and getattr(device, "type", "") == "cuda":
                return str(device)
    return "cpu"


def measure(contestants: Sequence[Contestant], old: int | None, device: str) -> Outcome:
    """Every contestant has run before, so that nothing is compiled now. `config.measure` takes the race's place."""
    if config.measure is not None:
        return config.measure(contestants, old)
    with alone_on(_lasting_name(device)):
        if device == "cpu":
            return _on_host(contestants)
        import torch

        from mkexplorer.race.cuda import race_in_a_program

        with torch.cuda.device(device):
            return race_in_a_program(contestants, old, torch.cuda.current_device())


def is_capturing(device: str) -> bool:
    """Whether the launches of now are recorded into a graph of CUDA instead of run."""
    if device == "cpu":
        return False
    import torch

    return bool(torch.cuda.is_current_stream_capturing())


def machine_of(device: str) -> Machine:
    """What a measurement's evidence says of where it was made."""
    gpu = None
    if device != "cpu":
        import torch

        gpu = torch.cuda.get_device_name(device)
    return Machine(
        gpu=gpu,
        driver=_driver() if gpu else None,
        torch=_version("torch"),
        triton=_version("triton"),
    )


def _version(module: str) -> str | None:
    version = getattr(sys.modules.get(module), "__version__", None)
    return None if version is None else str(version)


@lru_cache(maxsize=1)
def _driver() -> str | None:
    try:
        with open(_DRIVER_VERSION) as file:
            return file.read().strip() or None
    except OSError:
        return None


def _lasting_name(device: str) -> str:
    """The same for one GPU in all processes, whatever each of them sees of the machine."""
    if device == "cpu":
        return f"{device}-{os.getpid()}"  # processors there are enough
    import torch

    return str(getattr(torch.cuda.get_device_properties(device), "uuid", device))


def _on_host(contestants: Sequence[Contestant]) -> Outcome:
    """Once each: a kernel in Triton's interpreter takes thousands of times as long as on a GPU, and proves nothing."""
    timed = HostStopwatch().time([Run(each) for each in contestants])
    cold = tuple((time_us,) for time_us in timed.times_us)
    return Outcome(cold, tuple(() for _ in cold), None, rounds=1, gpu_us=0.0, clock_mhz=None, disturbed=0)
