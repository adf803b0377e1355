"""Reading plain values out of JSON that anybody may have written: each of its type and size, or `TypeError`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from .model import Resources, Timing

Plain = TypeVar("Plain", str, int, bool, dict[str, object], list[object])
# Beyond these no number of ours can be meant, and sums and ratios of them stay finite.
_LARGEST = 2**63 - 1
_SHORTEST_US = 1e-6
_LONGEST_US = 1e9


def need(record: Mapping[str, object], key: str, kind: type[Plain]) -> Plain:
    return of_kind(record.get(key), kind, key)


def may(record: Mapping[str, object], key: str, kind: type[Plain]) -> Plain | None:
    """None where it is not there, or null."""
    return None if record.get(key) is None else of_kind(record[key], kind, key)


def number(record: Mapping[str, object], key: str) -> float | None:
    """A finite number; None where it is not there, or null."""
    value = record.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise TypeError(f"{key!r} is no number")
    return float(value)


def time_us(value: object, key: str) -> float:
    """A time in microseconds that something can have taken."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _SHORTEST_US <= value <= _LONGEST_US:
        raise TypeError(f"{key!r} is no time")
    return float(value)


def infinite(value: float | None) -> float:
    """An interval without an end has null in JSON, which has no infinity."""
    return math.inf if value is None else value


def of_kind(value: object, kind: type[Plain], key: str) -> Plain:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{key!r} is not of type {kind.__name__}")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise TypeError(f"{key!r} is too large")
    return value


def timing(record: Mapping[str, object]) -> Timing:
    """From ``{"median_us", "q1_us", "q3_us", "n"}``."""
    median, q1, q3 = (time_us(record.get(key), key) for key in ("median_us", "q1_us", "q3_us"))
    samples = need(record, "n", int)
    if samples < 1:
        raise TypeError("'n' is no number of samples")
    return Timing(median, q1, q3, samples)


def resources(record: Mapping[str, object]) -> Resources:
    """From ``{"registers", "spills", "shared_bytes"}``, each a number or null."""
    return Resources(may(record, "registers", int), may(record, "spills", int), may(record, "shared_bytes", int))
