"""What the environment of a program does to its picks; read from a mapping, so that it can be anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_DISABLE = "TORCHINDUCTOR_DISABLE_MULTI_KERNEL_CACHE"
_MULTI_KERNEL = "TORCHINDUCTOR_MULTI_KERNEL"
_TABLES = "TORCHINDUCTOR_ENABLED_METRIC_TABLES"
_TABLE = "persistent_red_perf"


@dataclass(frozen=True, slots=True)
class EnvironmentNote:
    """``picks_count`` is False where programs that run so neither read nor write pick files."""

    variable: str
    value: str
    effect: str
    picks_count: bool


def environment_notes(environment: Mapping[str, str]) -> tuple[EnvironmentNote, ...]:
    """What is set there and bears on picks, for torch 2.3 to 2.13; usually nothing."""
    found = (
        _of_disabled_cache(environment.get(_DISABLE)),
        _of_multi_kernel(environment.get(_MULTI_KERNEL)),
        _of_metric_tables(environment.get(_TABLES)),
    )
    return tuple(note for note in found if note)


def _of_disabled_cache(value: str | None) -> EnvironmentNote | None:
    if value != "1":
        return None  # torch compares with "1" and takes anything else for unset
    effect = "Pick files are neither read nor written: every program measures anew."
    return EnvironmentNote(_DISABLE, value, effect, False)


def _of_multi_kernel(value: str | None) -> EnvironmentNote | None:
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError:
        effect = "This is no number: torch fails with ValueError when it is imported."
        return EnvironmentNote(_MULTI_KERNEL, value, effect, False)
    if number == 0:
        effect = "Programs compile no new multi-kernels; those in the cache still go by their picks."
        return EnvironmentNote(_MULTI_KERNEL, value, effect, True)
    if number < 2:
        return None  # 1 is how multi-kernels are asked for
    effect = f"Pick files are neither read nor written: sub-kernel {number - 2} is used of every multi-kernel."
    if number > 3:
        effect += " One that has no such sub-kernel ends the program with AssertionError."
    return EnvironmentNote(_MULTI_KERNEL, value, effect, False)


def _of_metric_tables(value: str | None) -> EnvironmentNote | None:
    if value is None or _TABLE not in {name.strip() for name in value.split(",")}:
        return None
    effect = (
        "Pick files are neither read nor written; torch 2.7 to 2.13 even fail when a multi-kernel is chosen. "
        f"Take {_TABLE} out of the list."
    )
    return EnvironmentNote(_TABLES, value, effect, False)
