"""What an id on the command line names: a multi-kernel, one of its sub-kernels, one configuration of that."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mkexplorer.catalog import Catalog
from mkexplorer.catalog.errors import MkexplorerError
from mkexplorer.catalog.model import CompiledConfig, MultiKernel, SubKernel
from mkexplorer.picks.book import PickBook
from mkexplorer.report.configurations import best_config, no_source, nothing_compiled

SOURCE = "source"
# What is kept of a configuration and is no text, and where its text is.
_BINARY = {
    "cubin": "--ir sass shows its instructions.",
    "hsaco": "--ir amdgcn shows its instructions.",
    "spv": "Of SPIR-V, spirv-dis shows the instructions.",
}
_LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True)
class Target:
    """``sub_kernel`` is None where the id names none; ``config`` begins a configuration's hash, or is empty."""

    multi_kernel: MultiKernel
    sub_kernel: SubKernel | None
    config: str = ""


def find_target(catalog: Catalog, text: str, sub: int | None = None) -> Target:
    """``ID``, ``ID:N`` or ``ID:N:HASH``; ``sub`` is N where it was given apart."""
    name, *parts = text.split(":", 2)
    multi_kernel = catalog.find(name)
    if parts:
        number = _number(text, parts[0])
        if sub is not None and sub != number:
            raise MkexplorerError(f"{text} and --sub {sub} name different sub-kernels", "Give one of them.")
        sub = number
    if sub is None:
        return Target(multi_kernel, None)
    if not 0 <= sub < len(multi_kernel.sub_kernels):
        last = len(multi_kernel.sub_kernels) - 1
        raise MkexplorerError(f"{multi_kernel.id} has no sub-kernel {sub}", f"They are numbered from 0 to {last}.")
    target = Target(multi_kernel, multi_kernel.sub_kernels[sub], "".join(parts[1:]))
    if target.config:
        _named_configuration(catalog, target, multi_kernel.sub_kernels[sub])
    return target


def _number(text: str, number: str) -> int:
    if number.isascii() and number.isdecimal() and len(number) <= _LONGEST_NUMBER:
        return int(number)
    short = number if len(number) <= _LONGEST_NUMBER else f"{number[:_LONGEST_NUMBER]}…"
    name = text.partition(":")[0]
    raise MkexplorerError(f"{name}: {short!r} is not the number of a sub-kernel", f"Write it like {name}:0.")


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
        if target.config:
            message = f"{target.config} names a configuration, and the source is that of all"
            raise MkexplorerError(message, "Add --ir STAGE, or leave the configuration out.")
        source = catalog.source(target.multi_kernel, sub)
        if not source:
            raise no_source(sub)
        return source
    if stage in _BINARY:
        raise MkexplorerError(f"{stage} is no text", _BINARY[stage])
    return catalog.read_stage(configuration_of(catalog, target, sub), stage)


def configuration_of(catalog: Catalog, target: Target, sub: SubKernel) -> CompiledConfig:
    """The one that the target names, else the one that is meant without a name: see `best_config`."""
    if target.config:
        return _named_configuration(catalog, target, sub)
    config = best_config(catalog.configs(sub))
    if config is None:
        raise nothing_compiled(catalog.wrapper(target.multi_kernel), sub)
    return config


def _named_configuration(catalog: Catalog, target: Target, sub: SubKernel) -> CompiledConfig:
    configs = catalog.configs(sub)
    if not configs:
        raise nothing_compiled(catalog.wrapper(target.multi_kernel), sub)
    fitting = [config for config in configs if config.hash.startswith(target.config)]
    if len(fitting) != 1:
        hashes = ", ".join(config.hash[:8] for config in configs)
        example = f"{target.multi_kernel.id}:{sub.index}:{configs[0].hash[:8]}"
        message = f"{sub.name}: {target.config} fits none or more than one configuration"
        raise MkexplorerError(message, f"Name one of {hashes}, like {example}.")
    return fitting[0]
