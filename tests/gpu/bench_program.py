"""Compiles more than twenty multi-kernels with stock torch, runs them, and tells what a warm process runs.

Run as a program with TORCHINDUCTOR_CACHE_DIR and TORCHINDUCTOR_MULTI_KERNEL=1; ``bench_program.py 4`` takes only every
fourth of them. The last line is JSON: the names of the Triton reduction kernels that ran after the first call, by the
profiler.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice

import torch
import torch.nn.functional as functional
from torch.profiler import ProfilerActivity, profile

_Case = tuple[Callable[..., object], tuple[object, ...]]


def softmax(x: torch.Tensor) -> torch.Tensor:
    return functional.softmax(x.float(), dim=-1).to(x.dtype)


def log_softmax(x: torch.Tensor) -> torch.Tensor:
    return functional.log_softmax(x, dim=-1)


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], weight, bias)


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    scaled = x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
    return scaled.to(x.dtype) * weight


def quantised(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = x.abs().amax(-1, keepdim=True).float() / 127
    return (x / scale).round().to(torch.int8), scale


def spread(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x.var(-1), x.mean(-1)


def gathered(x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return (functional.embedding(rows, x) * 2).sum(-1)


def cases() -> Iterator[_Case]:
    def filled(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.randn(*shape, device="cuda", dtype=dtype)

    for rows, columns in ((64, 512), (512, 1024), (2048, 2048), (8192, 768), (1024, 8192), (256, 32768)):
        yield softmax, (filled(rows, columns),)
        yield rms_norm, (filled(rows, columns), filled(columns))
    for rows, columns in ((128, 1024), (4096, 1536), (2048, 5120), (16384, 256)):
        yield layer_norm, (filled(rows, columns), filled(columns), filled(columns))
    for rows, columns in ((512, 4096), (4096, 3072)):
        yield quantised, (filled(rows, columns),)
        yield spread, (filled(rows, columns, dtype=torch.float32),)
        yield log_softmax, (filled(rows, columns, dtype=torch.float32),)
    yield gathered, (filled(30_000, 2048), torch.randint(0, 30_000, (4096,), device="cuda"))


def main(every: int = 1) -> None:
    torch.manual_seed(0)
    compiled = []
    for function, arguments in islice(cases(), 0, None, every):
        run = torch.compile(function, dynamic=False)
        run(*arguments)
        compiled.append((run, arguments))
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiler:
        for run, arguments in compiled:
            run(*arguments)
        torch.cuda.synchronize()
    ran = [event.name() for event in profiler.profiler.kineto_results.events()]
    print(json.dumps([name for name in ran if name.startswith(("triton_red_", "triton_per_"))]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
