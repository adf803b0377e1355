"""A result of a measurement as plain values for JSON; the parts of it that workers and pick files tell, read back.

{"multi_kernel": id, "when": UTC, "device": "cuda" | "interpreter",
 "arguments": from where they came, "bytes_moved": number or null,
 "sub_kernels": [{"cold": {"median_us", "q1_us", "q3_us", "n"} or null, "hot": likewise, "samples_us": [time, …],
                  "stock_us": time or null, "resources": {"registers", "spills", "shared_bytes"} or null,
                  "configuration": {name: number}, "agrees": true | false | null, "problem": text}, …],
 "judgement": null or {"verdict", "best", "rival", "ratio", "low", "high", "regret"},
 "rounds": number, "gpu_us": number, "wall_us": number,
 "environment": {"gpu", "driver", "torch", "triton", "sm_clock_mhz", "throttled", "contended", "copy_gb_per_s"},
 "notes": [text, …]}

An interval without an end has null for ``high``: JSON has no infinity. Every number is checked, because others write
such records too: what is read is finite, and no time is zero or less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice

from mkexplorer.catalog.plain import infinite, may, need, number, of_kind, resources, time_us, timing

from .model import BenchResult, Environment, SubKernelResult
from .verdict import Judgement, Verdict

MOST_SAMPLES = 100_000
_MOST_TEXTS = 100
_LONGEST_TEXT = 1_000


def as_record(result: BenchResult) -> dict[str, object]:
    return {
        "multi_kernel": result.multi_kernel_id,
        "when": result.when,
        "device": result.device.value,
        "arguments": result.source.value,
        "bytes_moved": result.bytes_moved,
        "sub_kernels": [asdict(each) | {"configuration": dict(each.configuration)} for each in result.sub_kernels],
        "judgement": judgement_record(result.judgement) if result.judgement else None,
        "rounds": result.rounds,
        "gpu_us": result.gpu_us,
        "wall_us": result.wall_us,
        "environment": asdict(result.environment),
        "notes": list(result.notes),
    }


def judgement_record(judgement: Judgement) -> dict[str, object]:
    record = asdict(judgement)
    return {key: None if isinstance(value, float) and math.isinf(value) else value for key, value in record.items()}


def read_judgement(record: Mapping[str, object], sub_kernels: tuple[SubKernelResult, ...]) -> Judgement:
    best, rival = need(record, "best", int), need(record, "rival", int)
    ratio, low, high = (number(record, key) for key in ("ratio", "low", "high"))
    timed = {index for index, each in enumerate(sub_kernels) if each.cold}
    if best == rival or not {best, rival} <= timed:
        raise ValueError("a verdict on sub-kernels that have no times")
    if ratio is None or low is None or not (ratio > 0 and 0 <= low <= infinite(high)):
        raise ValueError("a verdict on an impossible ratio")
    verdict = Verdict(need(record, "verdict", str))
    return Judgement(verdict, best, rival, ratio, low, infinite(high), number(record, "regret"))


def sub_kernel_results(record: Mapping[str, object]) -> tuple[SubKernelResult, ...]:
    return tuple(_sub_kernel(of_kind(each, dict, "sub_kernels")) for each in need(record, "sub_kernels", list))


def environment(record: Mapping[str, object]) -> Environment:
    return Environment(
        gpu=_text(record, "gpu"),
        driver=_text(record, "driver"),
        torch=_text(record, "torch"),
        triton=_text(record, "triton"),
        sm_clock_mhz=number(record, "sm_clock_mhz"),
        throttled=texts(record, "throttled"),
        contended=_text(record, "contended") or "",
        copy_gb_per_s=number(record, "copy_gb_per_s"),
    )


def samples(value: object) -> tuple[float, ...]:
    listed = of_kind(value, list, "samples_us")
    return tuple(time_us(each, "samples_us") for each in listed[:MOST_SAMPLES])


def texts(record: Mapping[str, object], key: str) -> tuple[str, ...]:
    listed = may(record, key, list) or []
    return tuple(of_kind(each, str, key)[:_LONGEST_TEXT] for each in islice(listed, _MOST_TEXTS))


def count(record: Mapping[str, object], key: str) -> int | None:
    found = may(record, key, int)
    if found is not None and found < 0:
        raise ValueError(f"{key!r} is less than nothing")
    return found


def duration_us(record: Mapping[str, object], key: str) -> float:
    found = number(record, key)
    if found is None or found < 0:
        raise ValueError(f"{key!r} is no duration")
    return found


def configuration(record: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    """Only its numbers: what else a release of torch may put into one says nothing of block sizes and warps."""
    return tuple((key, value) for key, value in record.items() if type(value) is int)


def _sub_kernel(record: Mapping[str, object]) -> SubKernelResult:
    cold, hot, taken = (may(record, key, dict) for key in ("cold", "hot", "resources"))
    stock = record.get("stock_us")
    return SubKernelResult(
        cold=timing(cold) if cold else None,
        hot=timing(hot) if hot else None,
        samples_us=samples(record.get("samples_us") or []),
        stock_us=None if stock is None else time_us(stock, "stock_us"),
        resources=resources(taken) if taken else None,
        configuration=configuration(may(record, "configuration", dict) or {}),
        agrees=may(record, "agrees", bool),
        problem=_text(record, "problem") or "",
    )


def _text(record: Mapping[str, object], key: str) -> str | None:
    found = may(record, key, str)
    return found if found is None else found[:_LONGEST_TEXT]
