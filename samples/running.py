"""What the samples share: each checks itself against PyTorch in float64, and leaves a cache that mkexplorer opens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from mkexplorer.multikernel import MultiKernelFunction, config

Tensors = tuple[torch.Tensor, ...]
Size = tuple[int, ...]
_TOLERANCES = {torch.float32: 3e-5, torch.float16: 1e-2, torch.bfloat16: 1e-2}


@dataclass(frozen=True)
class Sample:
    """One operation. ``make(*size, dtype=…, device=…)`` gives the arguments of ``run`` and of ``in_torch``.

    ``run`` does it with the multi-kernel and returns its outputs; what it updates in place is among them. ``in_torch``
    does the same with PyTorch and leaves its arguments alone. ``readable`` makes of outputs what can be compared.
    ``sizes`` are for a GPU, ``small`` is for Triton's interpreter.
    """

    multi_kernel: MultiKernelFunction
    make: Callable[..., tuple[Any, ...]]
    run: Callable[..., Tensors]
    in_torch: Callable[..., Tensors]
    sizes: tuple[tuple[Size, torch.dtype], ...]
    small: Size
    readable: Callable[[Tensors], Tensors] = lambda outputs: outputs

    @property
    def name(self) -> str:
        return self.multi_kernel.__name__


@lru_cache
def semaphores(count: int, device: str) -> torch.Tensor:
    """Zeros that programs of a kernel count one another with. Who comes last zeroes them again, so they are kept."""
    return torch.zeros(count, dtype=torch.int32, device=device)


def expected(sample: Sample, arguments: Sequence[Any]) -> Tensors:
    """What `Sample.run` should return for ``arguments``, in float64; to be asked for before that updates them."""
    return sample.readable(sample.in_torch(*(_in_float64(each) for each in arguments)))


def error(sample: Sample, outputs: Tensors, reference: Tensors) -> float:
    """The largest difference, as a share of the largest value of its tensor."""
    pairs = zip(sample.readable(outputs), reference, strict=True)
    return max(float((one.double() - other).abs().max() / other.abs().max()) for one, other in pairs)


def tolerance(dtype: torch.dtype) -> float:
    return _TOLERANCES[dtype]


def main(sample: Sample, described: str | None) -> None:
    """Runs the sample in all its sizes, or in one small enough for Triton's interpreter."""
    parser = argparse.ArgumentParser(description=(described or "").partition("\n")[0])
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of picks and generated code")
    config.cache_dir = parser.parse_args().cache
    is_interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if not is_interpreted and not torch.cuda.is_available():
        raise SystemExit(
            "There is no GPU here: set TRITON_INTERPRET=1 for Triton's interpreter, which runs on the CPU."
        )
    sizes = ((sample.small, torch.float32),) if is_interpreted else sample.sizes
    results = [_check(sample, size, dtype, "cpu" if is_interpreted else "cuda") for size, dtype in sizes]
    for bucket, name in sample.multi_kernel.picks.items():
        print(f"{', '.join(map(str, bucket))}: {name}")
    if not all(results):
        raise SystemExit(1)


def _check(sample: Sample, size: Size, dtype: torch.dtype, device: str) -> bool:
    torch.manual_seed(0)
    arguments = sample.make(*size, dtype=dtype, device=device)
    reference = expected(sample, arguments)
    found = error(sample, sample.run(*arguments), reference)
    is_right = found <= tolerance(dtype)
    title = f"{sample.name} {'×'.join(map(str, size))} {str(dtype).removeprefix('torch.')}"
    print(f"{title}: error {found:.1e}, allowed {tolerance(dtype):.0e}{'' if is_right else ': WRONG'}")
    return is_right


def _in_float64(value: Any) -> Any:
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.double() if is_float else value
