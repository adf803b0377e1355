"""What torch tells of a choice, where torch tells it: its log, and its table of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch._inductor.codegen import multi_kernel as stock

_MOST_IN_TABLE = 4


def log_choice(kernels: Sequence[Any], index: int, timings_ms: Sequence[float]) -> None:
    first = kernels[0]
    stock.log.debug(
        "pick %dth sub-kernel in %s. Size hints %s. Reduction hint %s. Timings %s",
        index,
        [kernel.inductor_meta.get("kernel_name") for kernel in kernels],
        first.size_hints,
        first.inductor_meta.get("reduction_hint"),
        timings_ms,
    )


def metrics_row(kernels: Sequence[Any], timings_ms: Sequence[float]) -> dict[str, str | float | None]:
    """Texts and times only, which is all that torch's table takes."""
    first = kernels[0]
    hint = first.inductor_meta.get("reduction_hint")
    row: dict[str, str | float | None] = {
        "size_hints": str(first.size_hints),
        "reduction_hint": None if hint is None else str(hint),
    }
    for number in range(_MOST_IN_TABLE):
        is_there = number < len(timings_ms)
        row[f"kernel{number}_path"] = str(kernels[number].filename or "") if is_there else ""
        row[f"kernel{number}_latency"] = float(timings_ms[number]) if is_there else ""
    return row
