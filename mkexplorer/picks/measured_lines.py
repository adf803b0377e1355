"""``measured`` of an entry of evidence, as plain values for JSON and back.

{"sub_kernels" and "judgement": as `mkexplorer.measure.records` has them, without the single samples,
 "arguments": from where they came, "bytes_moved", "copy_gb_per_s", "sm_clock_mhz": number or null,
 "throttled": [reason, …], "notes": [text, …]}

Lines of a mkexplorer that could not measure have "timings" (null or {"median_us", "q1_us", "q3_us", "n"} for each
sub-kernel) and a verdict that does not tell of whom, which is judged anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from mkexplorer.catalog.plain import may, need, number, of_kind, timing
from mkexplorer.measure.model import ArgumentSource, SubKernelResult
from mkexplorer.measure.records import count, judgement_record, read_judgement, sub_kernel_results, texts

from .model import Measured


def measured_record(measured: Measured) -> dict[str, object]:
    return {
        "sub_kernels": [_sub_kernel_record(each) for each in measured.sub_kernels],
        "judgement": judgement_record(measured.judgement) if measured.judgement else None,
        "arguments": measured.source.value if measured.source else None,
        "bytes_moved": measured.bytes_moved,
        "copy_gb_per_s": measured.copy_gb_per_s,
        "sm_clock_mhz": measured.sm_clock_mhz,
        "throttled": list(measured.throttled),
        "notes": list(measured.notes),
    }


def read_measured(record: Mapping[str, object]) -> Measured:
    """Raises `TypeError` or `ValueError` where it is no such record."""
    if "timings" in record:
        return Measured(tuple(_timed(each) for each in need(record, "timings", list)))
    sub_kernels = sub_kernel_results(record)
    judgement, source = may(record, "judgement", dict), may(record, "arguments", str)
    return Measured(
        sub_kernels=sub_kernels,
        judgement=read_judgement(judgement, sub_kernels) if judgement else None,
        source=ArgumentSource(source) if source else None,
        bytes_moved=count(record, "bytes_moved"),
        copy_gb_per_s=number(record, "copy_gb_per_s"),
        sm_clock_mhz=number(record, "sm_clock_mhz"),
        throttled=texts(record, "throttled"),
        notes=texts(record, "notes"),
    )


def _sub_kernel_record(result: SubKernelResult) -> dict[str, object]:
    record = asdict(result) | {"configuration": dict(result.configuration)}
    del record["samples_us"]
    return record


def _timed(value: object) -> SubKernelResult:
    return SubKernelResult(None if value is None else timing(of_kind(value, dict, "timings")), None)
