"""What torch's own benchmark of a multi-kernel reads, host time included, beside which ours are shown."""

from __future__ import annotations

from typing import Any, Sequence

_US_PER_MS = 1e3


def stock_times_us(
    kernels: list[Any], arguments: Sequence[Any], takes: Sequence[Sequence[int]], stream: int
) -> list[float]:
    """Runs ``benchmark_sub_kernels`` of the installed torch; every kernel must have its one launcher by now."""
    from torch._inductor.codegen.multi_kernel import MultiKernelCall

    # Its constructor would look for a pick.
    call = MultiKernelCall.__new__(MultiKernelCall)
    call._kernels = kernels
    call.multi_kernel_name = "multi_kernel_0"
    call.arg_index = {index: [slice(each, each + 1) for each in taken] for index, taken in enumerate(takes)}
    return [float(time_ms) * _US_PER_MS for time_ms in call.benchmark_sub_kernels(*arguments, stream=stream)]
