"""What is written about a sub-kernel in the decorator of its generated source, as the run time gets it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mkexplorer.catalog.model import Kind

Constant = str | int | float | bool | None


@dataclass(frozen=True)
class KernelMeta:
    """All but the function itself. Names are those of the kernel's parameters.

    ``size_hints`` maps ranges to sizes ('x', 'y', 'z', then 'r0_', 'r1_'); ``signature`` maps arguments to Triton
    types, as far as they are known, and constants to 'constexpr'. ``configs`` are what the run time tunes among;
    there is always one. ``mutated`` arguments are read and written, ``outputs`` written only, ``zeroed`` hold zeros
    before every launch. ``grid`` has up to three expressions, none where the call gives the grid. ``device`` is
    what the kernel was made for, empty where that was not told. ``sizes`` are those whose bucket it is tuned for, as
    text, '' where there is no choice by size. ``problem`` says why it cannot run there, '' where it can.
    """

    name: str
    kind: Kind = Kind.OTHER
    size_hints: Mapping[str, int] = field(default_factory=dict)
    reduction_hint: str = ""
    signature: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Constant] = field(default_factory=dict)
    configs: tuple[Mapping[str, int], ...] = ({},)
    mutated: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    zeroed: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()
    device: Mapping[str, str | int] = field(default_factory=dict)
    sizes: str = ""
    problem: str = ""
