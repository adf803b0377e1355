"""What an id on the command line names: a multi-kernel, one of its sub-kernels, one configuration of that."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import CompiledConfig, MultiKernel, SubKernel
from mkexplorer.picks.book import PickBook

SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Target:
    """``sub_kernel`` is None where the id names none; ``config`` begins a configuration's hash, or is empty."""

    multi_kernel: MultiKernel
    sub_kernel: SubKernel | None
    config: str = ""


def find_target(catalog: Catalog, text: str, sub: int | None = None) -> Target:
    """``ID``, ``ID:N`` or ``ID:N:HASH``; ``sub`` is N where it was given apart."""
    name, _, rest = text.partition(":")
    number, _, config = rest.partition(":")
    multi_kernel = catalog.find(name)
    if number:
        if not number.isdecimal():
            raise MkexplorerError(f"{text}: {number!r} is not the number of a sub-kernel", "Write it like cabc123:0.")
        sub = int(number)
    if sub is None:
        return Target(multi_kernel, None)
    if not 0 <= sub < len(multi_kernel.sub_kernels):
        last = len(multi_kernel.sub_kernels) - 1
        raise MkexplorerError(f"{multi_kernel.id} has no sub-kernel {sub}", f"They are numbered from 0 to {last}.")
    return Target(multi_kernel, multi_kernel.sub_kernels[sub], config)


def sub_kernel_named(multi_kernel: MultiKernel, text: str) -> SubKernel:
    """By index, kind or name, or by a part of the name that no other one has."""
    subs = multi_kernel.sub_kernels
    if text.isdecimal() and int(text) < len(subs):
        return subs[int(text)]
    for fitting in (
        [each for each in subs if text in (each.kind.value, each.name)],
        [each for each in subs if not text.isdecimal() and text in each.name],
    ):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            break
    which = "fits more than one sub-kernel" if fitting else "has no sub-kernel"
    names = ", ".join(f"{each.index} ({each.kind.value} {each.name})" for each in subs)
    raise MkexplorerError(f"{multi_kernel.id}: {text!r} {which}", f"Give one of {names}.")


def with_sub_kernel(target: Target, book: PickBook) -> Target:
    """The target with a sub-kernel: its own, else the picked one, else the first."""
    if target.sub_kernel is not None:
        return target
    multi_kernel = target.multi_kernel
    if not multi_kernel.sub_kernels:
        raise MkexplorerError(f"{multi_kernel.id} lists no sub-kernels")
    return replace(target, sub_kernel=multi_kernel.sub_kernels[book.of(multi_kernel).pick.index or 0])


def text_of(catalog: Catalog, target: Target, stage: str) -> str:
    """The source of the target's sub-kernel, or the text of a stage of its configuration."""
    sub = target.sub_kernel
    assert sub is not None
    if stage == SOURCE:
        source = catalog.source(target.multi_kernel, sub)
        if not source:
            raise MkexplorerError(f"{sub.name} is not defined in its wrapper", "The file may be cut off.")
        return source
    return catalog.read_stage(_configuration(catalog, target, sub), stage)


def _configuration(catalog: Catalog, target: Target, sub: SubKernel) -> CompiledConfig:
    """The one that the target names, else the one that won."""
    configs = catalog.configs(sub)
    if not configs:
        raise MkexplorerError(
            f"no compiled configuration of {sub.name} is in this place",
            "IR lies in the triton/ folder of the cache directory; a wrapper or a log alone has none.",
        )
    fitting = [config for config in configs if config.hash.startswith(target.config)]
    chosen = fitting if target.config else [config for config in configs if config.won]
    if len(chosen) != 1:
        hashes = ", ".join(config.hash[:8] for config in configs)
        why = "fits none or more than one configuration" if target.config else "which configuration won is not recorded"
        example = f"{target.multi_kernel.id}:{sub.index}:{configs[0].hash[:8]}"
        raise MkexplorerError(f"{sub.name}: {why}", f"Name one of {hashes}, like {example}.")
    return chosen[0]
