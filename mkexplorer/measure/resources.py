"""What a sub-kernel takes of a GPU that need not be here, as an offline compile tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mkexplorer.catalog.model import Resources
from mkexplorer.catalog.plain import may, need, number, of_kind, resources

from .errors import BenchError
from .records import configuration

_NVIDIA = re.compile(r"(?:sm_|cuda:)(\d{2,3})a?(?::32)?")
_AMD = re.compile(r"(?:hip:)?(gfx(\d+)[0-9a-f]{2})(?::(?:32|64))?")
# AMD's GPUs for computing, up to gfx9.., run 64 threads in step; its others 32.
_LAST_OF_64 = 9


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """One sub-kernel's; ``occupancy`` is 0 to 1. ``problem`` says why nothing is known, '' where it is."""

    resources: Resources | None
    occupancy: float | None
    configuration: tuple[tuple[str, int], ...]
    problem: str = ""


def target_of(text: str) -> str:
    """Triton's 'cuda:90:32' (backend, architecture, warp size) of what people write: 'sm_90', 'cuda:90', 'gfx942'."""
    if nvidia := _NVIDIA.fullmatch(text):
        return f"cuda:{nvidia[1]}:32"
    if amd := _AMD.fullmatch(text):
        return f"hip:{amd[1]}:{64 if int(amd[2]) <= _LAST_OF_64 else 32}"
    raise BenchError(f"{text!r} is no target", "Name one like sm_90 or gfx942.")


def read_reports(answer: Mapping[str, object], expected: int) -> tuple[ResourceReport, ...]:
    """From the worker's answer for so many sub-kernels. Raises `TypeError` or `ValueError` where it is none."""
    reports = tuple(_report(of_kind(each, dict, "sub_kernels")) for each in need(answer, "sub_kernels", list))
    if len(reports) != expected:
        raise ValueError(f"{len(reports)} results for {expected} sub-kernels")
    return reports


def _report(record: Mapping[str, object]) -> ResourceReport:
    problem = may(record, "problem", str) or ""
    return ResourceReport(
        resources=None if problem else resources(record),
        occupancy=number(record, "occupancy"),
        configuration=configuration(may(record, "configuration", dict) or {}),
        problem=problem,
    )
